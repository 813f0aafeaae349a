using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using DistributedTrainer.Tests.Shared;
using static DistributedTrainer.Protocol.Submissions;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A coordinator, with probes in the places of its nodes and of whoever submits.</summary>
public abstract class CoordinatorTest : ActorTest
{
    private readonly TemporaryFolder _folder = new();
    private int _processes = 1000;

    /// <param name="authority">Where the cluster is closed to strangers; disposed of with the test.</param>
    private protected CoordinatorTest(TestAuthority? authority = null)
    {
        Authority = authority;
        Coordinator = Sys.ActorOf(CoordinatorActor.Props(certificates: authority?.Node()));
        Submitter = CreateTestProbe("submitter");
    }

    private protected TestExperiment Experiment { get; set; } = new() { Workers = 2, MinimumWorkers = 1 };

    private protected TestAuthority? Authority { get; }

    private protected IActorRef Coordinator { get; }

    private protected TestProbe Submitter { get; }

    private protected RunId Run { get; set; }

    private protected ulong Token { get; set; }

    private protected string RunDirectory => Path.Combine(_folder.Path, "run");

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _folder.Dispose();
        Authority?.Dispose();
    }

    private protected Node Register(string name, bool server = false, int workers = 0, RunId? run = null)
    {
        var node = new Node(name, CreateTestProbe(name), ++_processes, workers);
        Register(node, server, run);
        Assert.Equal(new NodeId(name), node.Probe.ExpectMsg<Nodes.Registered>().Node);
        return node;
    }

    private protected void Register(Node node, bool server = false, RunId? run = null) =>
        Coordinator.Tell(new Nodes.Register(new NodeId(node.Name), [server ? "server" : "worker"], "127.0.0.1", node.Process, node.Workers, run, SentAt: 0), node.Probe.Ref);

    private protected void Submit(bool endCluster = false, bool resume = false) =>
        Coordinator.Tell(new Submit(Experiment.Yaml, "test.yaml", _folder.Path, RunDirectory, endCluster, resume), Submitter.Ref);

    private protected void Accepted() => Run = Said<Accepted>().Run;

    private protected TrainingPlan Plan() => TrainingPlan.Create(Experiments.ExperimentReader.Read(Experiment.Yaml, "test.yaml", []).Experiment!, "", Token, [])!;

    private protected void Prepare(Node node, string? sha256 = null, string[]? addresses = null, bool fetches = false)
    {
        var prepare = node.Probe.ExpectMsg<Nodes.Prepare>();
        Token = prepare.Token;
        Coordinator.Tell(new Nodes.Prepared(prepare.Run, new NodeId(node.Name), sha256 ?? Plan().Data.Dataset.Sha256, addresses ?? [$"tcp://{node.Name}:1"], FetchesRows: fetches), node.Probe.Ref);
    }

    private protected void Fenced(long generation, long version = 0, int partition = 0) =>
        Coordinator.Tell(new Partitions.Fenced(Run, new PartitionId(partition), new Generation(generation), new StepId(version)), ActorRefs.Nobody);

    /// <summary>A server and workers of one worker each, all prepared; the server has been told to host.</summary>
    private protected (Node Server, Node[] Workers) Hosted(params string[] workers) => Hosted(false, workers);

    private (Node Server, Node[] Workers) Hosted(bool fetch, string[] workers)
    {
        var server = Register("s0", server: true);
        var nodes = Array.ConvertAll(workers, name => Register(name, workers: 1));
        Submit();
        Accepted();
        Prepare(server);
        Array.ForEach(nodes, node => Prepare(node, fetches: fetch));
        return (server, nodes);
    }

    /// <summary>As above, and everybody has an assignment of generation 1.</summary>
    private protected (Node Server, Node[] Workers) Training(params string[] workers) => Training(false, workers);

    /// <summary>As above.</summary>
    /// <param name="fetch">Whether the workers fetch rows.</param>
    /// <param name="workers">Their names.</param>
    private protected (Node Server, Node[] Workers) Training(bool fetch, string[] workers)
    {
        var (server, nodes) = Hosted(fetch, workers);
        server.Probe.ExpectMsg<Partitions.Host>();
        Fenced(1);
        Array.ForEach(nodes, node => node.Probe.ExpectMsg<Assign>());
        return (server, nodes);
    }

    /// <summary>The next message of a kind to the submitter; views and notices come in between.</summary>
    private protected T Said<T>(Predicate<T>? which = null) => Submitter.FishForMessage<T>(message => which is null || which(message), Patience);

    private protected void Answer<T>(Node node, T message) => Coordinator.Tell(message, node.Probe.Ref);

    private protected void ExpectFence(Node server, long generation) => Assert.Equal(generation, server.Probe.ExpectMsg<Partitions.Fence>().Generation.Value);

    private protected Assign ExpectAssign(Node node, long generation, params int[] shards)
    {
        var assign = node.Probe.ExpectMsg<Assign>();
        Assert.Equal(generation, assign.Generation.Value);
        Assert.Equal(shards, assign.Shards);
        return assign;
    }

    /// <summary>Not by a message: those that end an actor are taken from nobody.</summary>
    private protected static void Die(Node node) => ((IInternalActorRef)node.Probe.Ref).Stop();

    /// <summary>Ends when the coordinator has handled everything sent to it so far.</summary>
    private protected void Settle()
    {
        var probe = CreateTestProbe();
        Coordinator.Tell(new Identify(null), probe.Ref);
        probe.ExpectMsg<ActorIdentity>();
    }

    private protected sealed record Node(string Name, TestProbe Probe, int Process, int Workers)
    {
        public WorkerId Worker => new($"{Name}/0");
    }
}
