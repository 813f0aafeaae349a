using System.Text.Json;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Where the coordinator of a run is to be reached, as the run's folder says.</summary>
public static class RunAddress
{
    /// <summary>HOST:PORT; null: there is none.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="problem">Why there is none, and what to do.</param>
    public static string? Of(string runDirectory, out string? problem)
    {
        problem = null;
        var file = Path.Combine(runDirectory, "nodes.json");
        if (!File.Exists(Path.Combine(runDirectory, RunFolder.ExperimentName)))
        {
            problem = $"{runDirectory}: there is no run in it: {RunFolder.ExperimentName} is missing. Name the folder that dtrain train has printed, or the HOST:PORT of a node.";
        }
        else if (RunFolder.IsEnded(runDirectory))
        {
            problem = $"{runDirectory}: the run has ended. Go on with it, with other settings where you like: dtrain resume {runDirectory} --set key=value";
        }
        else if (!File.Exists(file))
        {
            problem = $"{runDirectory}: nodes.json is missing: the run has not begun. Try again when it has.";
        }
        else if (Coordinator(file) is { } address)
        {
            return address;
        }
        else
        {
            problem = $"{file}: no coordinator with an address is in it. Name the HOST:PORT of a node.";
        }

        return null;
    }

    private static string? Coordinator(string file)
    {
        try
        {
            using var nodes = JsonDocument.Parse(File.ReadAllText(file));
            return nodes.RootElement.EnumerateArray()
                .Where(static node => node.GetProperty("role").GetString() == "coordinator")
                .Select(static node => node.GetProperty("address").GetString())
                .FirstOrDefault(static address => !string.IsNullOrEmpty(address));
        }
        catch (Exception damaged) when (damaged is JsonException or InvalidOperationException or KeyNotFoundException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
