namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Real processes that are slow, or do nothing at all, and are not dead.</summary>
public sealed class StragglerTests
{
    // Long enough to be in the middle of it when the slow worker is found.
    private static readonly string[] Long = ["--set", "training.epochs=200"];

    // Each waits for the others' statistics within the step, and all for the slow one.
    private const string SynchronisedBatchNorm = """
        data: { source: digits }
        model: { layers: [ linear: 128, batch-norm: { sync: true }, relu, linear: 64, batch-norm: { sync: true }, relu, linear: 10 ] }
        optimizer: { kind: adam, learning-rate: 0.001 }
        training: { epochs: 200, batch-size: 64, shards: 4 }
        cluster: { workers: 2 }
        """;

    [Theory]
    [InlineData(null)]
    [InlineData(SynchronisedBatchNorm)]
    public async Task The_work_of_a_worker_that_is_stopped_in_bursts_moves_to_the_other(string? experiment)
    {
        using var quiet = new RunDirectory();
        File.WriteAllText(quiet.In("experiment.yaml"), experiment);
        string[] what = experiment is null ? Long : [quiet.In("experiment.yaml")];
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. what])).ExitCode);

        using var slowed = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", slowed.Run, .. what]);
        await dtrain.Line(IsTraining);
        var victim = slowed.Nodes.First(static node => node.Role == "worker").Process;
        using var bursts = new StoppedProcess(victim, stopped: TimeSpan.FromMilliseconds(180), running: TimeSpan.FromMilliseconds(20));
        var (code, output, errors) = await dtrain.End();

        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, slowed.Hash);
        Assert.Matches($@"worker-\d+-{victim}/0 computes \d+\.\d times slower than the others: its shards move\.", output);
        await TrainTests.AssertEnded(slowed.Nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task A_frozen_worker_is_given_up_for_what_it_is()
    {
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. Long])).ExitCode);

        using var frozen = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", frozen.Run, .. Long]);
        await dtrain.Line(IsTraining);
        var victim = frozen.Nodes.First(static node => node.Role == "worker").Process;
        Dtrain.Signal(victim, "STOP");
        var (code, output, errors) = await dtrain.End();

        // Its connections are open as ever: only its silence tells.
        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, frozen.Hash);
        Assert.Matches($@"^worker-\d+-{victim}/0 is frozen \(not heard of for \d+\.\d s, and the others wait for it\)$", frozen.Result.GetProperty("recoveries")[0].GetProperty("cause").GetString());
        await TrainTests.AssertEnded(frozen.Nodes.Select(static node => node.Process));
    }

    private static bool IsTraining(string line) => line.StartsWith("training  step", StringComparison.Ordinal);
}
