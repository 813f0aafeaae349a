namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Real processes that are slow, or do nothing at all, and are not dead.</summary>
[Collection(AloneCollection.Name)]
public sealed class StragglerTests
{
    // Long enough to be in the middle of it when the slow worker is found.
    private static readonly string[] Long = ["--set", "training.epochs=200"];

    // The default experiment has batch norm over the whole batch: each waits for the others' statistics within the step, and
    // all for the slow one.
    [Fact]
    public async Task The_work_of_a_worker_that_is_stopped_in_bursts_moves_to_the_other()
    {
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. Long])).ExitCode);

        using var slowed = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", slowed.Run, .. Long]);
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
