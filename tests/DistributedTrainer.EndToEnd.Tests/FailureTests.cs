namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Real processes, really killed.</summary>
public sealed class FailureTests
{
    // Long enough to be in the middle of it when the first steps have been shown.
    private static readonly string[] Long = ["--set", "training.epochs=200"];

    [Fact]
    public async Task A_worker_killed_in_mid_run_changes_nothing_and_no_step_is_lost()
    {
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. Long])).ExitCode);

        using var killed = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", killed.Run, .. Long]);
        await dtrain.Line(IsTraining);
        var victim = killed.Nodes.First(static node => node.Role == "worker").Process;
        Dtrain.Signal(victim, "KILL");
        var (code, output, errors) = await dtrain.End();

        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, killed.Hash);
        Assert.Contains($"process {victim} was killed by signal 9", output, StringComparison.Ordinal);
        Assert.Contains("killed by signal 9", killed.Result.GetProperty("recoveries")[0].GetProperty("cause").GetString(), StringComparison.Ordinal);
        var recovery = Assert.Single(killed.Result.GetProperty("recoveries").EnumerateArray());
        Assert.InRange(recovery.GetProperty("step").GetInt64(), 1, 3999);
        var steps = killed.Metrics.Where(static line => line.TryGetProperty("loss", out _)).Select(static line => line.GetProperty("step").GetInt64());
        Assert.Equal(Enumerable.Range(1, 4000).Select(static step => (long)step), steps);
        await TrainTests.AssertEnded(killed.Nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task No_orphan_is_left_when_the_launcher_is_killed()
    {
        using var directory = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", directory.Run, .. Long]);
        await dtrain.Line(IsTraining);
        var nodes = directory.Nodes;
        Assert.Equal(4, nodes.Count);
        dtrain.Signal("KILL");
        await TrainTests.AssertEnded(nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task An_interrupt_stops_the_run_and_keeps_what_was_trained()
    {
        using var directory = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", directory.Run, .. Long]);
        await dtrain.Line(IsTraining);
        dtrain.Signal("INT");
        var (code, output, errors) = await dtrain.End();
        Assert.Equal(1, code);
        Assert.Contains("Ended by you: stopped at step", errors, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(directory.Run, "model.safetensors")), output + errors);
        await TrainTests.AssertEnded(directory.Nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task A_server_killed_in_mid_run_changes_nothing()
    {
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. Long])).ExitCode);

        using var killed = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", killed.Run, "--set", "checkpoint.every-seconds=0.5", .. Long]);
        await dtrain.Line(IsTraining);
        var victim = killed.Nodes.Single(static node => node.Role == "server").Process;
        Dtrain.Signal(victim, "KILL");
        var (code, output, errors) = await dtrain.End();

        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, killed.Hash);
        Assert.Equal(quiet.Course, killed.Course);
        var recovery = Assert.Single(killed.Result.GetProperty("recoveries").EnumerateArray());
        Assert.Contains($"process {victim} was killed by signal 9", recovery.GetProperty("cause").GetString(), StringComparison.Ordinal);
        await TrainTests.AssertEnded(killed.Nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task A_server_that_is_not_launched_again_ends_the_run_with_its_name()
    {
        using var directory = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", directory.Run, "--set", "cluster.max-restarts=0", .. Long]);
        await dtrain.Line(IsTraining);
        Dtrain.Signal(directory.Nodes.Single(static node => node.Role == "server").Process, "KILL");
        var (code, _, errors) = await dtrain.End();
        Assert.Equal(1, code);
        Assert.Contains("a server process was not launched again", errors, StringComparison.Ordinal);
        await TrainTests.AssertEnded(directory.Nodes.Select(static node => node.Process));
    }

    private static bool IsTraining(string line) => line.StartsWith("training  step", StringComparison.Ordinal);
}
