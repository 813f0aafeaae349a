using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The mode of a run of real processes is changed while it goes on, and whoever dies meanwhile changes nothing of that.</summary>
public sealed class ControlTests
{
    private static readonly string[] Long = ["--set", "training.epochs=1000000", "--set", "model.layers=[ linear: 64, relu, linear: 32, relu, linear: 10 ]", "--set", "cluster.partitions=3"];

    [Fact]
    public async Task A_run_that_was_sync_async_stale_and_sync_is_repeated_also_when_it_was_resumed()
    {
        using var run = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", run.Run, .. Long, "--set", "cluster.servers=2"]);
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        var first = await Changed(run.Run, "training.mode=async");
        await dtrain.Line(line => line == $"From step {first} on: training.mode is async (was sync).");
        Dtrain.Signal(run.Nodes.First(static node => node.Role == "worker").Process, "KILL");
        var second = await Changed(run.Run, "training.mode=stale", "training.staleness=2");
        Assert.True(second > first);
        Dtrain.Signal(run.Nodes.First(static node => node.Role == "server").Process, "KILL");
        var third = await Changed(run.Run, "training.mode=sync");

        var (wrong, _, why) = await Dtrain.Run(["control", run.Run, "--set", "training.batch-size=64"]);
        Assert.Equal((2, true), (wrong, why.Contains("training.batch-size: it cannot be changed while the run goes on. What can: training.mode,", StringComparison.Ordinal)));
        dtrain.Signal("INT");
        Assert.Equal(1, (await dtrain.End()).ExitCode);
        Assert.Equal(
            [(first, "async"), (second, "stale"), (third, "sync")],
            run.Result.GetProperty("changes").EnumerateArray().Where(static change => change.GetProperty("key").GetString() == "training.mode")
                .Select(static change => (change.GetProperty("step").GetInt64(), change.GetProperty("to").GetString()!)));
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]));
        Assert.Equal(2, (await Dtrain.Run(["control", run.Run])).ExitCode);

        // It goes on in the mode that held last, with other partitions and another number of workers.
        await using var resumed = Dtrain.Start(["resume", run.Run, "--in-process", "--set", "cluster.partitions=2", "--set", "cluster.servers=1", "--set", "cluster.workers=3"]);
        await resumed.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        resumed.Signal("INT");
        Assert.Equal(1, (await resumed.End()).ExitCode);
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]));
    }

    [Fact]
    public async Task A_coordinator_that_dies_before_and_after_it_is_decided_does_it_once()
    {
        using var run = new RunDirectory();
        var plan = new CrashPlan(run.In("crashes"), ("coordinator.changing", 0), ("coordinator.changed", 0));
        var coordinator = Dtrain.Start(["node", "--roles", "coordinator"], null, plan.Environment);
        var address = await AddressOf(coordinator);
        await using var server = Dtrain.Start(["node", "--roles", "server", "--join", address]);
        await using var worker = Dtrain.Start(["node", "--roles", "worker", "--workers", "2", "--join", address]);
        string[] again = ["node", "--roles", "coordinator", "--port", address.Split(':')[1], "--join", $"{address},{await AddressOf(server)}"];
        var file = run.In("digits.yaml");
        await File.WriteAllTextAsync(file, "data: { source: digits }\nmodel: { layers: [ linear: 64, relu, linear: 10 ] }\n");
        await using var submit = Dtrain.Start(["submit", file, "--to", address, "--run-dir", run.Run, .. Long]);
        await submit.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        var change = Dtrain.Run(["control", address, "--set", "training.mode=async", "--json"]);
        while (await Task.WhenAny(change, coordinator.End()) != change)
        {
            Assert.Equal(137, (await coordinator.End()).ExitCode);
            await coordinator.DisposeAsync();
            coordinator = Dtrain.Start(again, null, plan.Environment);
        }

        var (code, output, errors) = await change;
        Assert.True(code == 0, output + errors);
        Assert.Empty(plan.Missing);
        using var changed = JsonDocument.Parse(output);
        Assert.Equal("async", changed.RootElement.GetProperty("settings").GetProperty("training.mode").GetString());
        submit.Signal("INT");
        Assert.Equal(1, (await submit.End()).ExitCode);
        await coordinator.DisposeAsync();
        var once = Assert.Single(run.Result.GetProperty("changes").EnumerateArray());
        Assert.Equal(("sync", "async"), (once.GetProperty("from").GetString(), once.GetProperty("to").GetString()));
        Assert.Equal(changed.RootElement.GetProperty("fromStep").GetInt64(), once.GetProperty("step").GetInt64());
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]));
    }

    private static async Task<string> AddressOf(Dtrain node) =>
        (await node.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];

    private static async Task<long> Changed(string where, params string[] set)
    {
        var (code, output, errors) = await Dtrain.Run(["control", where, "--json", .. set.SelectMany(static one => (string[])["--set", one])]);
        Assert.True(code == 0, output + errors);
        using var changed = JsonDocument.Parse(output);
        Assert.NotEmpty(changed.RootElement.GetProperty("changes").EnumerateArray());
        return changed.RootElement.GetProperty("fromStep").GetInt64();
    }

    private static void Equal((int ExitCode, string Output, string Errors) replay)
    {
        Assert.True(replay.ExitCode == 0, replay.Output + replay.Errors);
        using var document = JsonDocument.Parse(replay.Output);
        Assert.True(document.RootElement.GetProperty("equal").GetBoolean());
    }
}
