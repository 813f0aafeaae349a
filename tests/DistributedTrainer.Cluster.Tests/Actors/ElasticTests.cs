using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Akka.Actor.Internal;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Workers that come and go while a run goes on, and runs beside each other.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ElasticTests : IDisposable
{
    private const int Changes = 5;

    // The view of a run comes a few times a second: a run that lasts less than that between two changes would be over before
    // the last one, and did so once.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 16", "batch-norm", "relu", "dropout: 0.1", "linear: 3"],
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 5000, batch-size: 32, shards: 4 }",
        Partitions = 2,
        Workers = 2,
        MinimumWorkers = 2,
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// With one worker fewer than the minimum the run stands still, so that each change meets a run that goes on, however
    /// fast the machine is. With the second seed some of the workers have two threads.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Workers_leave_crash_and_come_back_throughout_a_run_which_pauses_without_them_and_changes_no_bit(int seed)
    {
        var random = new Random(seed);
        await using var home = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator", "server"] }, null, CancellationToken.None);
        var workers = new List<NodeHost> { await Worker(home, 0, threads: 1), await Worker(home, 0, threads: seed) };

        // Some 10 s; among a hundred threads that want the same two cores more than two minutes.
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        var (changes, pauses, reached, ended) = (0, 0, -1L, (Submissions.Ended?)null);
        await foreach (var message in home.Submit(Submission(Experiment, "elastic"), limit.Token))
        {
            if (message is Submissions.View { Phase: "training" } view && view.Step > reached && changes < Changes && changes == pauses)
            {
                changes++;
                reached = view.Step;
                var victim = workers[random.Next(workers.Count)];
                workers.Remove(victim);
                await End(victim, crashes: random.Next(2) == 0);
                workers.Add(await Worker(home, random.Next(2) == 0 ? PortOf(victim) : 0, threads: 1 + (changes % seed)));
            }
            else if (message is Submissions.Notice notice && notice.Text.StartsWith("Paused: 1 workers, cluster.minimum-workers is 2.", StringComparison.Ordinal))
            {
                pauses++;
            }

            ended = message as Submissions.Ended;
        }

        foreach (var worker in workers)
        {
            await worker.DisposeAsync();
        }

        Assert.Equal((Changes, Changes), (changes, pauses));
        AssertAsAlone(Experiment, ended);
    }

    [Fact]
    public async Task Two_clusters_in_one_process_do_not_meet()
    {
        await using var first = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = 2 }, null, CancellationToken.None);
        await using var second = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = 2 }, null, CancellationToken.None);
        var experiments = new[] { Experiment with { Training = "{ epochs: 60, batch-size: 32, shards: 4 }" }, Experiment with { Seed = 8, Training = "{ epochs: 60, batch-size: 16, shards: 2 }" } };
        var runs = await Task.WhenAll(Train(first, experiments[0], "first"), Train(second, experiments[1], "second"));
        AssertAsAlone(experiments[0], runs[0]);
        AssertAsAlone(experiments[1], runs[1]);
    }

    private static Task<NodeHost> Worker(NodeHost home, int port, int threads) =>
        JoinedNode.StartAsync(new NodeOptions { Roles = ["worker"], Join = home.Address, Port = port, Threads = threads });

    private static int PortOf(NodeHost node) => int.Parse(node.Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);

    private static async Task End(NodeHost node, bool crashes)
    {
        if (crashes)
        {
            ((ActorSystemImpl)node.Actors).Abort();
            await node.Actors.WhenTerminated.WaitAsync(TimeSpan.FromSeconds(60));
            return;
        }

        node.Stop("the test takes it away");
        await node.Completion.WaitAsync(TimeSpan.FromSeconds(60));
        await node.DisposeAsync();
    }

    private static void AssertAsAlone(TestExperiment experiment, Submissions.Ended? ended)
    {
        Assert.NotNull(ended);
        Assert.Null(ended.Failure);
        var alone = ReferenceTrainer.Train(experiment.Plan());
        using var result = JsonDocument.Parse(ended.ResultJson!);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(alone.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(alone.Buffers.AsSpan())])),
            result.RootElement.GetProperty("parametersSha256").GetString());
    }

    private async Task<Submissions.Ended?> Train(NodeHost host, TestExperiment experiment, string run)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        Submissions.Ended? ended = null;
        await foreach (var message in host.Submit(Submission(experiment, run), limit.Token))
        {
            ended = message as Submissions.Ended;
        }

        return ended;
    }

    private Submissions.Submit Submission(TestExperiment experiment, string run) =>
        new(experiment.Yaml, "test.yaml", "", Path.Combine(_folder.Path, run), EndCluster: false, Resume: false);
}
