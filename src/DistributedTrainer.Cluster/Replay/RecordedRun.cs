using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>What a repetition has come to.</summary>
/// <param name="Step">Every leaf before this step was applied.</param>
/// <param name="ParametersSha256">Of the parameters, as in result.json.</param>
/// <param name="Recorded">What it must be; null: the repetition ends where nothing is recorded.</param>
/// <param name="Updates">Of the lead partition, in order.</param>
public sealed record ReplayOutcome(long Step, string ParametersSha256, string? Recorded, IReadOnlyList<ReplayedUpdate> Updates);

/// <summary>A run whose order of updates lies in its newest checkpoint.</summary>
public static class RecordedRun
{
    /// <summary>Whether a run was in mode stale or async at any time, as its newest checkpoint says.</summary>
    public static bool Is(string runDirectory) => new CheckpointFolder(runDirectory, 1).Newest([])?.Orders.Count > 0;

    /// <summary>Repeats a run that was in mode stale or async at any time in this thread.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="experiment">Its experiment.</param>
    /// <param name="until">The step to stop at; null: the end of the record.</param>
    /// <param name="problems">Receives why it cannot be repeated.</param>
    /// <returns>What came of it; null: there are problems.</returns>
    public static ReplayOutcome? Repeat(string runDirectory, Experiment experiment, long? until, ICollection<string> problems)
    {
        if (TrainingPlan.Create(experiment, runDirectory, 1, problems) is not { } plan)
        {
            return null;
        }

        var warnings = new List<string>();
        if (ResumePoint.Find(plan, runDirectory, warnings, problems) is not { } checkpoint)
        {
            problems.Add($"{runDirectory}: there is no checkpoint, and with it no order of updates. A run that ends, or is stopped with Ctrl+C, leaves one.{(warnings.Count == 0 ? "" : " " + string.Join(' ', warnings))}");
        }
        else if (problems.Count == 0 && until > checkpoint.Step)
        {
            problems.Add($"--until {until}: the order of updates is recorded up to step {checkpoint.Step}. Use at most {checkpoint.Step}.");
        }
        else if (problems.Count == 0)
        {
            try
            {
                return Repeat(plan, checkpoint, runDirectory, until);
            }
            catch (InvalidDataException damaged)
            {
                problems.Add($"{runDirectory}: {damaged.Message}");
            }
        }

        return null;
    }

    private static ReplayOutcome Repeat(TrainingPlan plan, Checkpoint checkpoint, string runDirectory, long? until)
    {
        var updates = new List<ReplayedUpdate>();
        var state = new Replayer(plan, checkpoint.Orders is [] ? [OrderSection.Sync(0)] : checkpoint.Orders).Run(until ?? checkpoint.Step, updates.Add);
        if (state.Step != checkpoint.Step)
        {
            return new ReplayOutcome(state.Step, Hash(state.Parameters, checkpoint.RunningStatistics), null, updates);
        }

        // The result may be an earlier version, that early stopping has gone back to.
        var (steps, best, hash) = Result(Path.Combine(runDirectory, "result.json"));
        var kept = steps == checkpoint.Step && best is not null ? state.Best ?? state.Parameters : state.Parameters;
        return new ReplayOutcome(
            state.Step, Hash(kept, checkpoint.RunningStatistics), steps == checkpoint.Step ? hash : Hash(checkpoint.Parameters, checkpoint.RunningStatistics), updates);
    }

    private static (long? Steps, long? Best, string? Hash) Result(string path)
    {
        if (!File.Exists(path))
        {
            return (null, null, null);
        }

        using var result = JsonDocument.Parse(File.ReadAllText(path));
        var root = result.RootElement;
        return (
            root.GetProperty("steps").GetInt64(),
            root.TryGetProperty("bestStep", out var best) && best.ValueKind == JsonValueKind.Number ? best.GetInt64() : null,
            root.GetProperty("parametersSha256").GetString());
    }

    private static string Hash(float[] parameters, float[] runningStatistics)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes(parameters.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(runningStatistics.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
