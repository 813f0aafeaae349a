namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Processes that are not launched again, and what processes leave that were killed.</summary>
public sealed class ElasticTests
{
    // Long enough to be in the middle of it for as long as the test does something.
    private static readonly string[] Long = ["--set", "training.epochs=2000"];

    [Fact]
    public async Task A_run_goes_on_without_a_worker_that_is_not_launched_again_and_ends_with_the_reason_without_the_last()
    {
        using var directory = new RunDirectory();
        await using var dtrain = Dtrain.Start(["train", "--run-dir", directory.Run, .. Long, "--set", "cluster.max-restarts=0"]);
        await dtrain.Line(IsTraining);
        var workers = directory.Nodes.Where(static node => node.Role == "worker").Select(static node => node.Process).ToArray();
        Dtrain.Signal(workers[0], "KILL");
        await dtrain.Line(line => line == $"A worker process is not launched again: process {workers[0]} was killed by signal 9, and cluster.max-restarts is 0. The others go on without it.");
        await dtrain.Line(static line => line.StartsWith("Going on at step", StringComparison.Ordinal));
        Dtrain.Signal(workers[1], "KILL");
        var (code, output, errors) = await dtrain.End();
        Assert.True(code == 1, output + errors);
        Assert.Contains($"a worker process was not launched again: process {workers[1]} was killed by signal 9, and cluster.max-restarts is 0", errors, StringComparison.Ordinal);
        await TrainTests.AssertEnded(directory.Nodes.Select(static node => node.Process));
    }

    [Fact]
    public async Task Trainings_that_run_at_the_same_time_do_not_meet()
    {
        using var directory = new RunDirectory();
        string[][] experiments = [["--set", "training.epochs=20"], ["--set", "training.epochs=20", "--set", "seed=2", "--set", "cluster.transport=unix"]];
        var alone = new List<string>();
        for (var i = 0; i < experiments.Length; i++)
        {
            Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", directory.In($"alone-{i}"), .. experiments[i]])).ExitCode);
            alone.Add(HashIn(directory.In($"alone-{i}")));
        }

        var ended = await Task.WhenAll(experiments.Select((what, i) => Dtrain.Run(["train", "--run-dir", directory.In($"beside-{i}"), .. what])));
        Assert.All(ended, static end => Assert.True(end.ExitCode == 0, end.Output + end.Errors));
        Assert.Equal(alone, experiments.Select((_, i) => HashIn(directory.In($"beside-{i}"))));
        Assert.NotEqual(alone[0], alone[1]);
    }

    [Fact]
    public async Task Whoever_starts_next_sweeps_up_what_was_killed_and_nothing_lies_in_shared_memory()
    {
        using var directory = new RunDirectory();
        var sockets = Directory.CreateDirectory(directory.In("tmp")).FullName;
        var memory = SharedMemoryFiles();
        await using (var dtrain = Dtrain.Start(["train", "--run-dir", directory.Run, .. Long], null, ("TMPDIR", sockets)))
        {
            await dtrain.Line(IsTraining);
            foreach (var role in (string[])["worker", "server"])
            {
                Dtrain.Signal(directory.Nodes.First(node => node.Role == role).Process, "KILL");
                await dtrain.Line(line => line.StartsWith("Going on at step", StringComparison.Ordinal) && line.Contains($": {role}-", StringComparison.Ordinal));
            }

            // The launcher is stopped first, so that it launches nobody again.
            dtrain.Signal("STOP");
            var nodes = directory.Nodes.Where(static node => node.Role != "coordinator").Select(static node => node.Process).ToArray();
            Array.ForEach(nodes, static node => Dtrain.Signal(node, "KILL"));
            dtrain.Signal("KILL");
            await dtrain.End();
        }

        // Of the last server: the one before it was swept up by it.
        Assert.Single(Directory.GetFiles(sockets, "dtrain-*"));
        var (code, output, errors) = await Dtrain.Run(["train", "--run-dir", directory.In("next"), "--set", "training.epochs=1"], null, ("TMPDIR", sockets));
        Assert.True(code == 0, output + errors);
        Assert.Empty(Directory.GetFiles(sockets, "dtrain-*"));
        Assert.Empty(SharedMemoryFiles().Except(memory));
    }

    private static string[] SharedMemoryFiles() =>
        Directory.Exists("/dev/shm") ? [.. Directory.GetFiles("/dev/shm").Where(static path => path.Contains("dtrain", StringComparison.OrdinalIgnoreCase))] : [];

    private static string HashIn(string run) =>
        System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "result.json"))).RootElement.GetProperty("parametersSha256").GetString()!;

    private static bool IsTraining(string line) => line.StartsWith("training  step", StringComparison.Ordinal);
}
