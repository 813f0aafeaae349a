using System.Globalization;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What a run is said to need, against what its processes take.</summary>
[Collection(AloneCollection.Name)]
public sealed class MemoryTests
{
    private const string Large = """
        name: large
        data: { source: digits, split: { validation: 0.1, test: 0.1 } }
        model: { layers: [ linear: 2048, relu, linear: 2048, relu, linear: 10 ] }
        training: { epochs: 1000, batch-size: 64, shards: 4 }
        cluster: { workers: 2, partitions: 2, transport: tcp }
        checkpoint: { every-steps: 5, every-seconds: null }
        """;

    [Fact]
    public async Task Processes_take_about_what_inspect_says()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("large.yaml"), Large);
        var (code, json, errors) = await Dtrain.Run(["inspect", directory.In("large.yaml"), "--json"]);
        Assert.True(code == 0, json + errors);
        var size = JsonDocument.Parse(json).RootElement;
        Assert.Equal((64 * 2048) + 2048 + (2048 * 2048) + 2048 + (2048 * 10) + 10, size.GetProperty("parameters").GetInt32());
        var said = size.GetProperty("memory").EnumerateArray().ToDictionary(static node => node.GetProperty("role").GetString()!, static node => node.GetProperty("bytes").GetInt64());

        await using var dtrain = Dtrain.Start(["train", directory.In("large.yaml"), "--run-dir", directory.Run]);
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));

        // All of it is in use once there is a checkpoint.
        await BadInputTests.Until(() => Directory.Exists(Path.Combine(directory.Run, "checkpoints")) && Directory.GetFiles(Path.Combine(directory.Run, "checkpoints"), "manifest.json", SearchOption.AllDirectories).Length > 0);
        foreach (var (role, process) in directory.Nodes)
        {
            var taken = OwnMemory(process);
            Assert.True(taken > 0.5 * said[role] && taken < (role == "coordinator" ? 1.6 : 1.2) * said[role], $"{role}: {taken >> 20} MB taken, {said[role] >> 20} MB said");
        }
    }

    [Fact]
    public async Task A_run_that_cannot_fit_is_refused_before_it_starts()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("large.yaml"), Large);
        var (code, output, errors) = await Dtrain.Run(["train", directory.In("large.yaml"), "--run-dir", directory.Run], null, ("DOTNET_GCHeapHardLimit", "0x10000000"));
        Assert.True(code == 2, output + errors);
        Assert.Matches(@"^memory: this run with 2 workers on one machine will need up to \d+ MB of memory, and 256 MB are there\. Use fewer cluster\.workers", errors);
        Assert.False(Directory.Exists(directory.Run));
    }

    // The most so far, without the libraries that the processes share.
    private static long OwnMemory(int process)
    {
        var status = File.ReadLines($"/proc/{process}/status").Select(static line => line.Split(':', 2)).ToDictionary(static line => line[0], static line => line[1]);
        long Bytes(string key) => long.Parse(status[key].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[0], CultureInfo.InvariantCulture) << 10;
        return Bytes("VmHWM") - Bytes("RssFile");
    }
}
