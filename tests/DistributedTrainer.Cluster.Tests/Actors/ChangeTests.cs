using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Akka.Actor.Internal;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Settings that are changed while whole nodes train, at whatever step they are.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ChangeTests : IDisposable
{
    // 9,000 parameters: three partitions.
    private static readonly TestExperiment Endless = new()
    {
        Layers = ["linear: 64", "layer-norm", "relu", "dropout: 0.1", "linear: 128", "tanh", "linear: 3"],
        Optimizer = "{ kind: adam, learning-rate: 0.003, clip-norm: 0.5, schedule: { kind: reduce-on-plateau, patience: 3, factor: 0.9 } }",
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 1000000, batch-size: 37, shards: 5 }",
        Partitions = 3,
        Workers = 2,
    };

    private readonly TemporaryFolder _folder = new();

    private string Run => Path.Combine(_folder.Path, "run");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("sync", "async", "stale", "sync")]
    [InlineData("async", "sync", "stale", "async")]
    [InlineData("stale", "async", "sync", "stale")]
    public async Task Each_change_of_mode_is_recorded_and_the_run_is_repeated_to_the_bit(string first, params string[] modes)
    {
        await using var home = await Home();
        await using var worker = await Node(home, "worker");
        var ended = await Train(home, In(first), modes.Length, async i =>
        {
            var changed = Assert.IsType<Submissions.Changed>(await Change(home, $"training.mode={modes[i]}"));
            Assert.Equal(("training.mode", i == 0 ? first : modes[i - 1], modes[i]), changed.Differences[0] is var one ? (one.Key, one.Before, one.Value) : default);
            return changed.From.Value;
        });
        Repeated(modes[^1]);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        var steps = result.RootElement.GetProperty("changes").EnumerateArray().Where(static change => change.GetProperty("key").GetString() == "training.mode").ToArray();
        Assert.Equal(modes, steps.Select(static change => change.GetProperty("to").GetString()));
        Assert.StartsWith($"training.mode: {modes[0]}, was {first}", steps[0].GetProperty("what").GetString(), StringComparison.Ordinal);
        Assert.Equal([first, .. modes], Sections().Select(static section => ExperimentNames.Of(section.Mode!.Value)));
        Assert.Equal([0, .. steps.Select(static change => change.GetProperty("step").GetInt64())], Sections().Select(static section => section.From));

        // Each step says what it was taken in, from the first change on.
        var lines = File.ReadLines(Path.Combine(Run, "metrics.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement).Where(static line => line.TryGetProperty("mode", out _)).ToArray();
        Assert.All(lines, line => Assert.Equal(
            modes[Array.FindLastIndex(steps, change => change.GetProperty("step").GetInt64() < line.GetProperty("step").GetInt64())], line.GetProperty("mode").GetString()));
        Assert.Equal(modes, lines.Select(static line => line.GetProperty("mode").GetString()).Distinct());
    }

    [Fact]
    public async Task Up_to_the_change_a_run_has_the_bits_of_sync()
    {
        await using var home = await Home();
        var changedAt = 0L;
        var experiment = Endless with { Optimizer = "{ kind: adam, learning-rate: 0.003, clip-norm: 0.5 }", Split = "{ test: 0.1 }" };
        await Train(home, experiment, 1, async _ => changedAt = Assert.IsType<Submissions.Changed>(await Change(home, "training.mode=async", "checkpoint.keep=1000")).From.Value);
        var checkpoint = CheckpointFolder.Read(Path.Combine(Run, "checkpoints", $"step-{changedAt:00000000}"));
        var quiet = ReferenceTrainer.Train((experiment with { Training = $"{{ steps: {changedAt}, batch-size: 37, shards: 5 }}" }).Plan());
        Assert.Equal(quiet.Parameters, checkpoint.Parameters);
        Repeated("async");
    }

    [Theory]
    [InlineData("worker", 1)]
    [InlineData("worker", 2)]
    [InlineData("server", 3)]
    [InlineData("server", 4)]
    public async Task Whoever_crashes_meanwhile_leaves_one_mode_everywhere_and_a_record_that_is_repeated(string role, int seed)
    {
        var random = new Random(seed);
        await using var home = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, null, CancellationToken.None);
        var nodes = new List<NodeHost> { await Node(home, "server"), await Node(home, "server"), await Node(home, "worker"), await Node(home, "worker") };
        string[] modes = ["async", "sync", "stale"];
        await Train(home, Endless with { Servers = 2, MinimumWorkers = 1 }, modes.Length, async i =>
        {
            var change = Change(home, $"training.mode={modes[i]}");
            var victim = random.Next(2) + (role == "server" ? 0 : 2);
            var host = nodes[victim];
            if (random.Next(3) > 0)
            {
                await Task.WhenAny(change, Pending(home));
            }

            ((ActorSystemImpl)host.Actors).Abort();
            await host.Actors.WhenTerminated.WaitAsync(MiniCluster.Limit);
            nodes[victim] = await Node(home, role);
            return Assert.IsType<Submissions.Changed>(await change).From.Value;
        });
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }

        Repeated("stale");
        var sections = Sections().Select(static section => section.Mode).ToArray();
        Assert.Equal(
            [TrainingMode.Sync, TrainingMode.Async, TrainingMode.Sync, TrainingMode.Stale], sections.Where((mode, i) => i == 0 || mode != sections[i - 1]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_decides_no_bit_may_change_at_any_step_and_a_change_that_changes_nothing_too(int seed)
    {
        var random = new Random(seed);
        var experiment = new TestExperiment
        {
            Layers = ["linear: 16", "batch-norm", "relu", "dropout: 0.1", "linear: 3"],
            Split = "{ validation: 0.1, test: 0.1 }",
            Training = "{ epochs: 400, batch-size: 32, shards: 4 }",
            Partitions = 2,
            Workers = 2,
        };
        await using var home = await Home();
        var (changed, ended, reached) = (0, (Submissions.Ended?)null, 0L);
        await foreach (var message in home.Submit(Submission(experiment), CancellationToken.None))
        {
            // The first is asked for before the first step, so that there is one on any machine.
            if (message is Submissions.Accepted || (message is Submissions.View { Phase: "training" } view && view.Step > reached))
            {
                reached = (message as Submissions.View)?.Step ?? 0;
                var change = Change(home, "training.mode=sync", $"checkpoint.every-steps={random.Next(20, 2000)}", $"checkpoint.keep={random.Next(1, 9)}");
                if (message is Submissions.Accepted)
                {
                    // It is answered when training has begun.
                    continue;
                }

                if (await change is Submissions.Changed { Differences.Length: > 0 })
                {
                    changed++;
                }
            }

            ended = message as Submissions.Ended;
        }

        Assert.Null(ended!.Failure);
        Assert.NotEmpty(JsonDocument.Parse(ended.ResultJson!).RootElement.GetProperty("changes").EnumerateArray());
        var quiet = ReferenceTrainer.Train(experiment.Plan());
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(quiet.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(quiet.Buffers.AsSpan())])),
            JsonDocument.Parse(ended.ResultJson!).RootElement.GetProperty("parametersSha256").GetString());
        var newest = new CheckpointFolder(Run, 1).Newest([])!;
        Assert.Empty(newest.Orders);
        Assert.Equal(experiment.Plan().TotalSteps, newest.Step);
        Assert.Equal(quiet.Parameters, newest.Parameters);
    }

    [Fact]
    public async Task What_is_wrong_is_said_and_nothing_is_changed()
    {
        await using var home = await Home();
        await Train(home, Endless with { Layers = ["linear: 16", "batch-norm", "relu", "linear: 3"] }, 1, async _ =>
        {
            Assert.Contains("batch-norm do not go together", await Wrong(home, "training.mode=async"), StringComparison.Ordinal);
            Assert.Contains("seed: it cannot be changed", await Wrong(home, "seed=3"), StringComparison.Ordinal);
            var shown = Assert.IsType<Submissions.Changed>(await Change(home));
            Assert.Equal(["training.mode=sync", "cluster.minimum-workers=1"], [.. new[] { shown.Settings[0], shown.Settings[^1] }.Select(static one => $"{one.Key}={one.Value}")]);
            Assert.Empty(shown.Differences);
            return 0;
        });
        Assert.Empty(new CheckpointFolder(Run, 1).Newest([])!.Orders);
    }

    private static TestExperiment In(string mode) => Endless with { Training = Endless.Training.Replace(" }", $", mode: {mode} }}", StringComparison.Ordinal) };

    private static async Task<NodeHost> Home()
    {
        return await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = 2 }, null, CancellationToken.None);
    }

    private static async Task<NodeHost> Node(NodeHost home, string role)
    {
        return await NodeHost.StartAsync(new NodeOptions { Roles = [role], Join = home.Address }, null, CancellationToken.None);
    }

    private static async Task<IProtocolMessage> Change(NodeHost host, params string[] set)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var last = (IProtocolMessage?)null;
        await foreach (var message in host.Change(new Submissions.Change(Guid.NewGuid().ToString("N"), set), limit.Token))
        {
            last = message;
        }

        return last!;
    }

    /// <summary>Ends when the coordinator says that it is at a change: whoever else asks for one is told so.</summary>
    private static async Task Pending(NodeHost host)
    {
        while (await Change(host, "checkpoint.keep=7") is Submissions.Changed)
        {
            await Change(host, "checkpoint.keep=6");
        }
    }

    private static async Task<string> Wrong(NodeHost host, string set)
    {
        var answer = Assert.IsType<Submissions.NotChanged>(await Change(host, set));
        Assert.True(answer.IsWrong);
        return string.Join(' ', answer.Problems);
    }

    private Submissions.Submit Submission(TestExperiment experiment) => new(experiment.Yaml, "test.yaml", "", Run, EndCluster: false, Resume: false);

    /// <summary>Changes something so often, each time some steps further, then stops the run.</summary>
    private async Task<Submissions.Ended> Train(NodeHost home, TestExperiment experiment, int changes, Func<int, Task<long>> change)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var (done, reached, run, task) = (0, 0L, default(RunId), (Task<long>?)null);
        await foreach (var message in home.Submit(Submission(experiment), limit.Token))
        {
            run = message is Submissions.Accepted accepted ? accepted.Run : run;
            if (message is Submissions.View { Phase: "training" } view && (task is null or { IsCompleted: true }))
            {
                reached = task is null ? reached : await task;
                task = null;
                if (view.Step <= reached)
                {
                    continue;
                }

                reached = view.Step;
                if (done < changes)
                {
                    task = change(done++);
                }
                else
                {
                    home.Tell(new Submissions.Stop(run));
                }
            }

            if (message is Submissions.Ended ended)
            {
                Assert.StartsWith("stopped at step", ended.Failure, StringComparison.Ordinal);
                return ended;
            }
        }

        throw new InvalidOperationException("The run has no end.");
    }

    private IReadOnlyList<OrderSection> Sections() => new CheckpointFolder(Run, 1).Newest([])!.Orders;

    private void Repeated(string mode)
    {
        var experiment = ExperimentReader.Read(File.ReadAllText(Path.Combine(Run, "experiment.yaml")), "experiment.yaml", []).Experiment!;
        Assert.Equal(mode, ExperimentNames.Of(experiment.Training.Mode));
        var problems = new List<string>();
        var outcome = RecordedRun.Repeat(Run, experiment, null, problems);
        Assert.Empty(problems);
        Assert.Equal(outcome!.Recorded, outcome.ParametersSha256);
    }
}
