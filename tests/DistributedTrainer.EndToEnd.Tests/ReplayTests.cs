using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What a run of real processes did is repeated in one, to the bit.</summary>
public sealed class ReplayTests
{
    private static readonly string[] Loose = ["--set", "model.layers=[ linear: 64, relu, linear: 32, relu, linear: 10 ]", "--set", "cluster.partitions=3", "--set", "cluster.servers=2"];

    [Fact]
    public async Task A_run_in_async_whose_worker_and_server_are_killed_and_that_is_interrupted_and_resumed_is_repeated()
    {
        using var run = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", run.Run, .. Loose, "--set", "training.mode=async", "--set", "training.epochs=300", "--set", "checkpoint.every-steps=40"]);
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        Dtrain.Signal(run.Nodes.First(static node => node.Role == "worker").Process, "KILL");
        await dtrain.Line(static line => line.Contains("Going on at step", StringComparison.Ordinal));
        Dtrain.Signal(run.Nodes.First(static node => node.Role == "server").Process, "KILL");
        await dtrain.Line(static line => line.Contains("Going on at step", StringComparison.Ordinal));
        dtrain.Signal("INT");
        Assert.Equal(1, (await dtrain.End()).ExitCode);
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]));

        // The rest of it has other partitions and another number of workers.
        var (code, output, errors) = await Dtrain.Run(["resume", run.Run, "--in-process", "--set", "cluster.partitions=2", "--set", "cluster.workers=3"]);
        Assert.True(code == 0, output + errors);
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]), run.Hash);

        var until = await Dtrain.Run(["replay", run.Run, "--json", "--until", "20"]);
        Assert.Equal(0, until.ExitCode);
        using var laid = JsonDocument.Parse(until.Output);
        var updates = laid.RootElement.GetProperty("updates");
        Assert.True(updates.GetArrayLength() >= 20);
        Assert.All(updates.EnumerateArray(), static update => Assert.True(update.GetProperty("gradientNorm").GetDouble() > 0 && update.GetProperty("computedAt").GetInt64() <= update.GetProperty("number").GetInt64()));
    }

    [Fact]
    public async Task A_run_in_sync_is_repeated_from_its_experiment_and_another_result_is_noticed()
    {
        using var run = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", run.Run, "--set", "training.epochs=2", "--set", "cluster.workers=3"])).ExitCode);
        Equal(await Dtrain.Run(["replay", run.Run, "--json"]), run.Hash);
        Assert.Equal(2, (await Dtrain.Run(["replay", run.Run, "--until", "3"])).ExitCode);
        var result = Path.Combine(run.Run, "result.json");
        await File.WriteAllTextAsync(result, (await File.ReadAllTextAsync(result)).Replace(run.Hash, new string('0', 64), StringComparison.Ordinal));
        var (code, output, _) = await Dtrain.Run(["replay", run.Run]);
        Assert.Equal(1, code);
        Assert.Contains($"but the run had {new string('0', 64)}", output, StringComparison.Ordinal);
    }

    private static void Equal((int ExitCode, string Output, string Errors) replay, string? hash = null)
    {
        Assert.True(replay.ExitCode == 0, replay.Output + replay.Errors);
        using var document = JsonDocument.Parse(replay.Output);
        Assert.Equal(hash ?? document.RootElement.GetProperty("recorded").GetString(), document.RootElement.GetProperty("parametersSha256").GetString());
        Assert.True(document.RootElement.GetProperty("equal").GetBoolean());
    }
}
