namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Shards that take steps by themselves, in real processes that die in the middle of a round.</summary>
public sealed class LocalStepsTests
{
    private const string Experiment = """
        name: local-steps
        data: { source: digits, split: { validation: 0.1, test: 0.1, stratify: true }, preprocess: [ scale: 0.0625 ] }
        model: { layers: [ linear: 64, relu, dropout: 0.1, linear: 32, relu, linear: 10 ] }
        optimizer: { kind: adam, learning-rate: 0.002, schedule: { kind: reduce-on-plateau, patience: 5 } }
        training: { epochs: 30, batch-size: 61, shards: 4, local-steps: 4 }
        cluster: { workers: 2, partitions: 2, max-restarts: 9 }
        checkpoint: { every-steps: 70, keep: 2 }
        """;

    [Fact]
    public async Task A_worker_and_a_server_that_die_in_a_round_and_an_end_in_between_with_other_numbers_change_no_bit()
    {
        using var quiet = new RunDirectory();
        await File.WriteAllTextAsync(quiet.In("local.yaml"), Experiment);
        Assert.Equal(0, (await Dtrain.Run(["train", quiet.In("local.yaml"), "--in-process", "--run-dir", quiet.Run])).ExitCode);

        using var run = new RunDirectory();
        await File.WriteAllTextAsync(run.In("local.yaml"), Experiment);
        var plan = new CrashPlan(run.In("crashes"), ("worker.mid-push", 100), ("server.before-apply", 200), ("coordinator.fetching", 400));
        var (killed, output, errors) = await Dtrain.Run(["train", run.In("local.yaml"), "--run-dir", run.Run], null, plan.Environment);
        Assert.True(killed == 137, output + errors);
        Assert.Empty(plan.Missing);

        // The worker's death costs nothing, although some partitions had the next version and others not.
        Assert.Equal(2, output.Split("training goes back to the last checkpoint").Length);
        await TrainTests.AssertEnded(run.Nodes.Select(static node => node.Process));

        (var code, output, errors) = await Dtrain.Run(["resume", run.Run, "--set", "cluster.workers=3", "--set", "cluster.servers=2", "--set", "cluster.partitions=3"]);
        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, run.Hash);
        Assert.Equal(quiet.Course, run.Course);
        (code, output, errors) = await Dtrain.Run(["replay", run.Run]);
        Assert.True(code == 0, output + errors);
    }
}
