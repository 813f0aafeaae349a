namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Runs that are stopped and go on.</summary>
public sealed class ResumeTests
{
    // Ends by early stopping and goes back to its best version, so that a checkpoint must hold that too. Patient enough to be
    // in mid-run twice, some seconds after its start, however fast the machine is.
    private const string Experiment = """
        name: resumed
        data: { source: digits, split: { validation: 0.1, test: 0.1, stratify: true }, preprocess: [ scale: 0.0625 ] }
        model: { layers: [ linear: 64, batch-norm, relu, dropout: 0.2, linear: 10 ] }
        optimizer: { kind: adam, learning-rate: 0.002, schedule: { kind: reduce-on-plateau, patience: 5 } }
        training: { epochs: 400, batch-size: 61, shards: 4, early-stopping: { metric: validation-loss, patience: 300, restore-best: true } }
        checkpoint: { every-steps: 70, keep: 2 }
        """;

    [Fact]
    public async Task Error_feedback_survives_an_end_in_between_and_the_death_of_a_worker()
    {
        string[] sparse = ["--set", "training.epochs=160", "--set", "training.compression={ top-k: 0.02 }"];
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", quiet.Run, .. sparse])).ExitCode);

        using var stopped = new RunDirectory();
        string[] often = [.. sparse, "--set", "checkpoint.every-steps=40", "--set", "cluster.transport=tcp"];
        await using (var dtrain = Dtrain.Start(["train", "--run-dir", stopped.Run, .. often]))
        {
            await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal) && StepIn(line) > 60);
            dtrain.Signal("INT");
            Assert.Equal(1, (await dtrain.End()).ExitCode);
        }

        var before = stopped.Checkpoints[^1];
        await using var resumed = Dtrain.Start(["resume", stopped.Run, "--set", "cluster.workers=3"]);
        await resumed.Line(line => line.StartsWith("training  step", StringComparison.Ordinal) && StepIn(line) > before + 60);
        Dtrain.Signal(stopped.Nodes.First(static node => node.Role == "worker").Process, "KILL");
        var (code, output, errors) = await resumed.End();
        Assert.True(code == 0, output + errors);
        Assert.Contains("Shards move, and what top-k has not sent yet", output, StringComparison.Ordinal);
        Assert.Equal(quiet.Hash, stopped.Hash);
        Assert.Equal(quiet.Course, stopped.Course);
    }

    [Fact]
    public async Task A_run_that_is_stopped_goes_on_with_other_numbers_and_from_the_checkpoint_before_where_the_newest_is_damaged()
    {
        using var quiet = new RunDirectory();
        await File.WriteAllTextAsync(quiet.In("resumed.yaml"), Experiment);
        var (quietCode, _, quietErrors) = await Dtrain.Run(["train", quiet.In("resumed.yaml"), "--in-process", "--run-dir", quiet.Run]);
        Assert.True(quietCode == 0, quietErrors);

        using var stopped = new RunDirectory();
        await File.WriteAllTextAsync(stopped.In("resumed.yaml"), Experiment);
        await using (var dtrain = Dtrain.Start(["train", stopped.In("resumed.yaml"), "--run-dir", stopped.Run]))
        {
            // Past the first checkpoint by an interval.
            await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal) && StepIn(line) > 140);
            dtrain.Signal("INT");
            var (code, output, errors) = await dtrain.End();
            Assert.Equal(1, code);
            Assert.Contains($"Go on with: dtrain resume {stopped.Run}", errors, StringComparison.Ordinal);
            Assert.True(stopped.Result.GetProperty("steps").GetInt64() > 140, output);
        }

        // Each kind of interruption once more: everything killed, and a newest checkpoint that is damaged.
        await using (var killed = Dtrain.Start(["resume", stopped.Run, "--set", "cluster.workers=3", "--set", "cluster.servers=2"]))
        {
            var before = stopped.Checkpoints[^1];
            await killed.Line(line => line.StartsWith("training  step", StringComparison.Ordinal) && StepIn(line) > before + 150);
            killed.Signal("KILL");
            await killed.End();
            await TrainTests.AssertEnded(stopped.Nodes.Select(static node => node.Process));
        }

        Assert.Equal(2, stopped.Checkpoints.Count);
        var file = Path.Combine(stopped.Run, "checkpoints", $"step-{stopped.Checkpoints[^1]:00000000}", "partition-1.safetensors");
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);

        var (whole, damaged) = (stopped.Checkpoints[0], stopped.Checkpoints[1]);
        var (wrong, _, why) = await Dtrain.Run(["resume", stopped.Run, "--in-process", "--set", "training.batch-size=60"]);
        Assert.Equal(2, wrong);
        Assert.Contains("would change the result", why, StringComparison.Ordinal);

        var (resumed, said, problems) = await Dtrain.Run(["resume", stopped.Run, "--in-process", "--set", "cluster.servers=1", "--set", "cluster.partitions=1"]);
        Assert.True(resumed == 0, said + problems);
        Assert.Contains("partition-1.safetensors is damaged", said, StringComparison.Ordinal);
        Assert.Contains($"Going on from the checkpoint of step {whole} ", said, StringComparison.Ordinal);
        Assert.DoesNotContain($"Going on from the checkpoint of step {damaged} ", said, StringComparison.Ordinal);
        Assert.Equal(quiet.Hash, stopped.Hash);
        Assert.Equal(quiet.Course, stopped.Course);
        Assert.Equal(quiet.Result.GetProperty("metrics").ToString(), stopped.Result.GetProperty("metrics").ToString());

        // What is over is not trained again.
        var (again, _, _) = await Dtrain.Run(["resume", stopped.Run, "--in-process"]);
        Assert.Equal(0, again);
        Assert.Equal(quiet.Hash, stopped.Hash);
    }

    [Theory]
    [InlineData("none", "adam", "[ linear: 16, batch-norm, relu, linear: 10 ]")]
    [InlineData("{ top-k: 0.05 }", "momentum", "[ linear: 16, relu, linear: 10 ]")]
    public async Task A_run_pauses_after_the_epochs_that_it_is_told_and_goes_on_as_if_it_had_not(string compression, string optimizer, string layers)
    {
        var yaml = $$"""
            data: { source: digits, preprocess: [ scale: 0.0625 ] }
            model: { layers: {{layers}} }
            optimizer: { kind: {{optimizer}}, learning-rate: 0.01, schedule: cosine }
            training: { epochs: 6, batch-size: 61, shards: 4, compression: {{compression}}, early-stopping: { patience: 6 } }
            """;
        using var quiet = new RunDirectory();
        await File.WriteAllTextAsync(quiet.In("e.yaml"), yaml);
        var (whole, _, wholeErrors) = await Dtrain.Run(["train", quiet.In("e.yaml"), "--in-process", "--run-dir", quiet.Run]);
        Assert.True(whole == 0, wholeErrors);

        using var paused = new RunDirectory();
        await File.WriteAllTextAsync(paused.In("e.yaml"), yaml);

        // A worker dies just before it pauses, and servers do while they pause.
        var plan = new CrashPlan(paused.In("crash"), ("worker.pushed", 15), ("server.evaluation", 1), ("server.snapshot", 1));
        foreach (var (arguments, epochs) in ((string[], int)[])
        [
            (["train", paused.In("e.yaml"), "--run-dir", paused.Run, "--set", "training.pause-after=1"], 1),
            (["resume", paused.Run, "--set", "training.pause-after=4", "--set", "cluster.workers=3"], 4),

            // It has come there before, and says the same again.
            (["resume", paused.Run, "--in-process"], 4),
        ])
        {
            var (code, output, errors) = await Dtrain.Run(arguments, null, plan.Environment);
            Assert.True(code == 0, output + errors);
            Assert.Empty(plan.Missing);
            Assert.Contains("training.pause-after=null goes on", output, StringComparison.Ordinal);
            Assert.Equal((epochs, true), (paused.Result.GetProperty("epochs").GetInt32(), paused.Result.GetProperty("paused").GetBoolean()));
            Assert.Equal(quiet.Course.Count(line => line.StartsWith("step=", StringComparison.Ordinal) && long.Parse(line[5..line.IndexOf(' ', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture) <= paused.Result.GetProperty("steps").GetInt64()), paused.Course.Count);
        }

        var (end, said, problems) = await Dtrain.Run(["resume", paused.Run, "--in-process", "--set", "training.pause-after=null"]);
        Assert.True(end == 0, said + problems);
        Assert.Equal(quiet.Hash, paused.Hash);
        Assert.Equal(quiet.Course, paused.Course);
        Assert.Equal(quiet.Result.GetProperty("metrics").ToString(), paused.Result.GetProperty("metrics").ToString());
        Assert.False(paused.Result.TryGetProperty("paused", out _));
    }

    private static long StepIn(string line) => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2].Split('/')[0], System.Globalization.CultureInfo.InvariantCulture);
}
