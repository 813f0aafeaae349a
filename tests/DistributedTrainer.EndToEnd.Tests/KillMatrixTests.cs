namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Real processes that die by SIGKILL at every point of the protocol, one after the other in one run: the result is that
/// of a quiet run, to the bit.
/// </summary>
public sealed class KillMatrixTests : IClassFixture<KillMatrixTests.Quiet>
{
    // Batch norm over the whole batch, dropout, validation after each epoch and a plateau that is judged by it: whatever
    // could go wrong has its place.
    private const string Experiment = """
        name: killed
        data: { source: digits, split: { validation: 0.1, test: 0.1, stratify: true }, preprocess: [ scale: 0.0625 ] }
        model: { layers: [ linear: 64, batch-norm, relu, dropout: 0.1, linear: 10 ] }
        optimizer: { kind: adam, learning-rate: 0.01, schedule: { kind: reduce-on-plateau, patience: 3 } }
        training: { epochs: 120, batch-size: 64, shards: 4 }
        cluster: { workers: 2, max-restarts: 50 }
        checkpoint: { every-steps: 50, keep: 2 }
        """;

    private static readonly string[] CoordinatorPoints =
        ["coordinator.assigning", "coordinator.fetching", "coordinator.before-manifest", "coordinator.manifest", "coordinator.result"];

    private readonly Quiet _quiet;

    public KillMatrixTests(Quiet quiet) => _quiet = quiet;

    [Fact]
    public Task Workers() => Survives(
        "worker",
        ("worker.joining", 0), ("worker.compute", 200), ("worker.exchange", 500), ("worker.mid-push", 800), ("worker.pushed", 1100), ("worker.evaluating", 1400));

    [Fact]
    public Task Workers_whose_gradients_leave_before_all_are_done() => Survives("worker", ["cluster.overlap=always", "cluster.transport=tcp"], ("worker.open-push", 300));

    [Fact]
    public Task Servers() => Survives(
        "server",
        ("server.fence", 1), ("server.statistics", 150), ("server.before-apply", 500), ("server.loading", 500), ("server.before-publish", 900),
        ("server.snapshot", 1200), ("server.evaluation", 1700));

    [Fact]
    public async Task A_launcher_with_its_coordinator_is_resumed_each_time_with_other_numbers()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("killed.yaml"), Experiment);
        var plan = new CrashPlan(directory.In("crashes"), [.. CoordinatorPoints.Select(static (point, i) => (point, i * 300L))]);
        IEnumerable<string> command = ["train", directory.In("killed.yaml"), "--run-dir", directory.Run];
        for (var attempt = 0; ; attempt++)
        {
            var (code, output, errors) = await Dtrain.Run(command, null, plan.Environment);
            await TrainTests.AssertEnded(directory.Nodes.Select(static node => node.Process));
            if (code == 0)
            {
                break;
            }

            Assert.True(code == 137 && attempt < CoordinatorPoints.Length, $"attempt {attempt}, exit code {code}\n{output}{errors}");
            command =
            [
                "resume", directory.Run, "--set", $"cluster.workers={1 + (attempt % 3)}", "--set", $"cluster.servers={1 + (attempt % 2)}",
                "--set", $"cluster.partitions={2 + (attempt % 2)}",
            ];
        }

        Assert.Empty(plan.Missing);
        AssertQuiet(directory);
    }

    [Fact]
    public async Task A_coordinator_node_that_is_started_again_takes_over()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("killed.yaml"), Experiment);
        var plan = new CrashPlan(directory.In("crashes"), ("coordinator.fetching", 100), ("coordinator.recall", 0), ("coordinator.manifest", 800), ("coordinator.result", 0));
        var coordinator = Dtrain.Start(["node", "--roles", "coordinator"], null, plan.Environment);
        var address = await AddressOf(coordinator);
        await using var server = Dtrain.Start(["node", "--roles", "server", "--join", address]);
        await using var first = Dtrain.Start(["node", "--roles", "worker", "--join", address]);
        await using var second = Dtrain.Start(["node", "--roles", "worker", "--join", address]);
        string[] again = ["node", "--roles", "coordinator", "--port", address.Split(':')[1], "--join", $"{address},{await AddressOf(server)}"];
        await using var submit = Dtrain.Start(["submit", directory.In("killed.yaml"), "--to", address, "--run-dir", directory.Run]);
        var ended = submit.End();
        while (await Task.WhenAny(ended, coordinator.End()) != ended)
        {
            Assert.Equal(137, (await coordinator.End()).ExitCode);
            await coordinator.DisposeAsync();
            coordinator = Dtrain.Start(again, null, plan.Environment);
        }

        await coordinator.DisposeAsync();
        var (code, output, errors) = await ended;
        Assert.True(code == 0, output + errors);
        Assert.Empty(plan.Missing);
        AssertQuiet(directory);
        Assert.Contains(
            directory.Result.GetProperty("recoveries").EnumerateArray(), static recovery => recovery.GetProperty("cause").GetString() == "the coordinator began anew");
    }

    private static async Task<string> AddressOf(Dtrain node) =>
        (await node.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];

    private Task Survives(string role, params (string Point, long From)[] points) => Survives(role, [], points);

    private async Task Survives(string role, string[] overrides, params (string Point, long From)[] points)
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("killed.yaml"), Experiment);
        var plan = new CrashPlan(directory.In("crashes"), points);
        var (code, output, errors) = await Dtrain.Run(["train", directory.In("killed.yaml"), "--run-dir", directory.Run, .. overrides.SelectMany(static one => (string[])["--set", one])], null, plan.Environment);
        Assert.True(code == 0, output + errors);
        Assert.Empty(plan.Missing);
        AssertQuiet(directory);
        Assert.Contains(
            directory.Result.GetProperty("recoveries").EnumerateArray(),
            recovery => recovery.GetProperty("cause").GetString()!.Contains($"{role}-", StringComparison.Ordinal));
        await TrainTests.AssertEnded(directory.Nodes.Select(static node => node.Process));
    }

    private void AssertQuiet(RunDirectory directory)
    {
        Assert.Equal(_quiet.Hash, directory.Hash);
        Assert.Equal(_quiet.Course, directory.Course);
    }

    /// <summary>The same run with nobody killed.</summary>
    public sealed class Quiet : IAsyncLifetime
    {
        public string Hash { get; private set; } = "";

        public IReadOnlyList<string> Course { get; private set; } = [];

        public async Task InitializeAsync()
        {
            using var directory = new RunDirectory();
            await File.WriteAllTextAsync(directory.In("killed.yaml"), Experiment);
            var (code, output, errors) = await Dtrain.Run(["train", directory.In("killed.yaml"), "--in-process", "--run-dir", directory.Run]);
            Assert.True(code == 0, output + errors);
            (Hash, Course) = (directory.Hash, directory.Course);
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }
}
