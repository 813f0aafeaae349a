using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Akka.Actor;
using Akka.Remote;
using Akka.Remote.Transport;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using Direction = Akka.Remote.Transport.ThrottleTransportAdapter.Direction;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>
/// The control plane alone is harmed, by Akka.NET's own adapters below its messages: slow, cut for a while, cut in one
/// direction, losing messages. The data plane is whole, so that steps go on where the coordinator does not need to act.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class ControlPlaneFaultsTests : IAsyncLifetime
{
    private const string Harmful = """
        akka.remote.dot-netty.tcp.applied-adapters = ["trttl", "gremlin"]
        """;

    // Cuts are noticed in about two seconds, not in twenty.
    private const string Quick = """
        akka.cluster.failure-detector { heartbeat-interval = 200ms, acceptable-heartbeat-pause = 1s }
        akka.cluster.split-brain-resolver.stable-after = 1s
        """;

    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 16", "batch-norm", "relu", "dropout: 0.1", "linear: 3"],
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 400, batch-size: 32, shards: 4 }",
        Partitions = 2,
        Workers = 2,
        MinimumWorkers = 2,
    };

    private static readonly Lazy<string> Expected = new(static () =>
    {
        var alone = ReferenceTrainer.Train(Experiment.Plan());
        return Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(alone.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(alone.Buffers.AsSpan())]));
    });

    private readonly TemporaryFolder _folder = new();
    private readonly List<NodeHost> _nodes = [];
    private NodeHost _home = null!;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task A_slow_control_plane_changes_no_bit()
    {
        await Cluster("");

        // Some messages a second, with heartbeats among them.
        await Train(async view =>
        {
            if (view.Step > 0)
            {
                await Throttle(_home, _nodes[1], Direction.Both, new TokenBucket(4000, 8000, 0, 0));
                await Throttle(_home, _nodes[2], Direction.Both, new TokenBucket(4000, 8000, 0, 0));
                return true;
            }

            return false;
        });
    }

    [Fact]
    public async Task A_worker_that_is_cut_off_for_longer_than_its_failure_takes_to_notice_is_taken_out_and_comes_back()
    {
        await Cluster(Quick);
        var victim = _nodes[1];
        var removed = Removed(victim);
        await Train(async view =>
        {
            if (view.Step == 0)
            {
                return false;
            }

            foreach (var other in (NodeHost[])[_home, _nodes[2]])
            {
                await Throttle(other, victim, Direction.Both, Blackhole.Instance);
                await Throttle(victim, other, Direction.Both, Blackhole.Instance);
            }

            // Both sides come to it on their own.
            await removed;
            Assert.Equal("the node was taken out of the cluster", await victim.Completion.WaitAsync(TimeSpan.FromSeconds(60)));
            foreach (var other in (NodeHost[])[_home, _nodes[2]])
            {
                await Throttle(other, victim, Direction.Both, Unthrottled.Instance);
            }

            var back = await Start(victim.Return!);
            Assert.Equal(victim.Address, back.Address);
            return true;
        });
    }

    [Fact]
    public async Task A_worker_that_is_not_heard_leaves_in_the_end_although_it_hears_others_and_comes_back()
    {
        await Cluster(Quick);
        var victim = _nodes[1];
        await Train(async view =>
        {
            if (view.Step == 0)
            {
                return false;
            }

            // The other worker hears both.
            await Throttle(_home, victim, Direction.Receive, Blackhole.Instance);
            await victim.Completion.WaitAsync(TimeSpan.FromSeconds(60));
            await Throttle(_home, victim, Direction.Receive, Unthrottled.Instance);
            await Start(victim.Return!);
            return true;
        });
    }

    [Fact]
    public async Task One_message_in_five_that_is_lost_changes_no_bit()
    {
        await Cluster("");
        await Train(async view =>
        {
            if (view.Step == 0)
            {
                return false;
            }

            foreach (var node in _nodes)
            {
                await Command(node, new FailureInjectorTransportAdapter.All(new FailureInjectorTransportAdapter.Drop(0.2, 0.2)));
            }

            return true;
        });
    }

    private static Task Throttle(NodeHost at, NodeHost peer, Direction direction, ThrottleMode mode) =>
        Command(at, new SetThrottle(Akka.Cluster.Cluster.Get(peer.Actors).SelfAddress, direction, mode));

    private static async Task Command(NodeHost at, object command)
    {
        var provider = (IRemoteActorRefProvider)((ExtendedActorSystem)at.Actors).Provider;
        Assert.True(await provider.Transport.ManagementCommand(command).WaitAsync(TimeSpan.FromSeconds(60)));
    }

    private async Task Cluster(string more)
    {
        _folder.Write("harm.conf", $"{Harmful}\n{more}");
        _home = await Start(new NodeOptions { Roles = ["coordinator", "server"] });
        await Start(new NodeOptions { Roles = ["worker"], Join = _home.Address });
        await Start(new NodeOptions { Roles = ["worker"], Join = _home.Address });
    }

    private async Task<NodeHost> Start(NodeOptions options)
    {
        var node = await NodeHost.StartAsync(options with { ConfigFile = Path.Combine(_folder.Path, "harm.conf") }, null, CancellationToken.None);
        _nodes.Add(node);

        // Without the adapters the commands below would do nothing, and say nothing.
        Assert.Contains("trttl", Akka.Cluster.Cluster.Get(node.Actors).SelfAddress.Protocol, StringComparison.Ordinal);
        return node;
    }

    /// <summary>Ends when the coordinator's node has taken it out.</summary>
    private Task Removed(NodeHost node)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _home.Actors.ActorOf(Props.Create(() => new Observer(node.Address, gone)));
        return gone.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Trains, has the harm done once at the first view that suits it, and compares.</summary>
    private async Task Train(Func<Submissions.View, Task<bool>> harm)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var (done, ended) = (false, (Submissions.Ended?)null);
        var run = Path.Combine(_folder.Path, "run");
        await foreach (var message in _home.Submit(new Submissions.Submit(Experiment.Yaml, "test.yaml", "", run, EndCluster: false, Resume: false), limit.Token))
        {
            done = done || (message is Submissions.View { Phase: "training" } view && await harm(view));
            ended = message as Submissions.Ended;
        }

        Assert.True(done);
        Assert.NotNull(ended);
        Assert.Null(ended.Failure);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        Assert.Equal(Expected.Value, result.RootElement.GetProperty("parametersSha256").GetString());

        // Nobody trains twice: each step is told once, in its order.
        var steps = File.ReadLines(Path.Combine(run, "metrics.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static line => line.TryGetProperty("loss", out _)).Select(static line => line.GetProperty("step").GetInt64()).ToArray();
        Assert.Equal(Enumerable.Range(1, result.RootElement.GetProperty("steps").GetInt32()).Select(static step => (long)step), steps);
    }

    private sealed class Observer : ReceiveActor
    {
        public Observer(string address, TaskCompletionSource gone)
        {
            var cluster = Akka.Cluster.Cluster.Get(Context.System);
            Receive<Akka.Cluster.ClusterEvent.MemberRemoved>(removed =>
            {
                if ($"{removed.Member.Address.Host}:{removed.Member.Address.Port}" == address)
                {
                    gone.TrySetResult();
                }
            });
            Receive<Akka.Cluster.ClusterEvent.CurrentClusterState>(static _ => { });
            cluster.Subscribe(Self, typeof(Akka.Cluster.ClusterEvent.MemberRemoved));
        }
    }
}
