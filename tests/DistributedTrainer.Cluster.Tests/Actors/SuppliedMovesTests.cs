using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit.Xunit2;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>
/// Runs whose shards move between nodes that have no file. Rows and gradients go by way of the test, which holds them: what
/// happens before what does not depend on how fast anything is.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class SuppliedMovesTests : TestKit
{
    private static readonly TestExperiment Experiment = new()
    {
        Source = "rows.csv",
        Split = "{ validation: 0.2, test: 0.2 }",
        Layers = ["linear: 8", "batch-norm", "tanh", "linear: 2"],
        Training = "{ epochs: 40, batch-size: 30, shards: 4 }",
        Transport = "tcp",

        // What is slow here is the machine.
        Placement = "even",
    };

    private readonly TemporaryFolder _here = new();
    private readonly TemporaryFolder _there = new();
    private readonly string? _cache = Environment.GetEnvironmentVariable("DTRAIN_CACHE");
    private readonly Dictionary<string, FrameProxy> _proxies = [];
    private readonly Dictionary<string, IActorRef> _nodes = [];
    private readonly Watched _world = new();
    private readonly HashSet<string> _prepared = [];
    private readonly HashSet<string> _asking = [];
    private readonly HashSet<string> _released = [];
    private readonly Dictionary<string, int[]> _shards = [];
    private IActorRef _coordinator;
    private long _lastStep;
    private long _applied;
    private long _generation;
    private bool _over;
    private RunId _run;

    public SuppliedMovesTests()
        : base(Settings())
    {
        _here.Write("rows.csv", "a,b,kind\n" + string.Join('\n', Enumerable.Range(0, 150).Select(static i => $"{i % 17},{i * 7 % 23}.5,{(i * 13 % 29 > 14 ? "yes" : "no")}")) + "\n");

        // Where nothing can be kept on disk each node fetches for itself, as if it were alone on its machine.
        _there.Write("file", "");
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", Path.Combine(_there.Path, "file", "cache"));
        _coordinator = Sys.ActorOf(CoordinatorActor.Props());
        Start("server");
    }

    protected override void Dispose(bool disposing)
    {
        _world.Change(() => _over = true);
        base.Dispose(disposing);
        foreach (var proxy in _proxies.Values)
        {
            proxy.Dispose();
        }

        Environment.SetEnvironmentVariable("DTRAIN_CACHE", _cache);
        _here.Dispose();
        _there.Dispose();
    }

    [Fact]
    public void Steps_go_on_while_a_worker_that_joins_fetches_its_rows()
    {
        Train("early", "late");
        Fetching("late");
        var from = _world.Look(() => _applied);
        UpTo(from + 50);
        _world.Until(() => _applied >= from + 40, "40 steps were made while rows were fetched");
        Assert.Equal((1, false), _world.Look(() => (_generation, _shards.ContainsKey("late"))));

        Release("late");
        _world.Until(() => _shards.TryGetValue("late", out var shards) && shards.Length == 2, "the worker got its shards");
        UpTo(long.MaxValue);
        AssertAsAlone();
        Assert.Equal(2, _generation);
    }

    [Fact]
    public void Shards_that_move_between_nodes_without_the_file_change_no_bit()
    {
        Train("first", "second", "third");
        Fetching("second");
        Release("second");
        _world.Until(() => _generation == 2 && _shards.ContainsKey("second"), "the second worker got shards");
        UpTo(50);

        // Its shards are fetched by the other one, while the run waits.
        Stop(_nodes["first"]);
        _world.Until(() => _shards["second"].Length == 4, "the second worker got all shards");
        UpTo(80);
        Join("third");
        Fetching("third");
        Release("third");
        _world.Until(() => _shards.TryGetValue("third", out var shards) && shards.Length == 2, "the third worker got shards");
        UpTo(long.MaxValue);
        AssertAsAlone();
    }

    [Fact]
    public void The_death_of_a_worker_waits_for_nobody_who_fetches()
    {
        Train("first", "second");
        Release("second");
        _world.Until(() => _generation == 2 && _shards.ContainsKey("second"), "the second worker got shards");
        Start("late");
        _world.Until(() => _prepared.Contains("late"), "the late worker was prepared");
        Join("late");
        Fetching("late");
        Stop(_nodes["second"]);
        _world.Until(() => _generation >= 3 && _shards.ContainsKey("late"), "a generation began");
        Release("late");
        UpTo(long.MaxValue);
        AssertAsAlone();
    }

    [Fact]
    public void A_worker_that_dies_while_it_fetches_leaves_no_trace()
    {
        Train("early", "late");
        Fetching("late");
        Stop(_nodes["late"]);
        UpTo(long.MaxValue);
        AssertAsAlone();
        Assert.Equal(1, _generation);
    }

    [Fact]
    public void A_coordinator_that_dies_while_a_worker_fetches_is_replaced_and_sends_the_rest()
    {
        Train("early", "late");
        Fetching("late");
        Stop(_coordinator);
        _coordinator = Sys.ActorOf(CoordinatorActor.Props());
        foreach (var node in _nodes.Values)
        {
            node.Tell(new NodeRelay.Leads(_coordinator));
        }

        _world.Until(() => _generation >= 2, "the next coordinator took over");
        Release("late");
        UpTo(long.MaxValue);
        _coordinator.Tell(new Submissions.Watch(_run, RunDirectory), TestActor);
        AssertAsAlone();
    }

    private string RunDirectory => Path.Combine(_here.Path, "run");

    /// <summary>A run that is at its 20th step, by the first worker alone, while the second has just joined; others are ready to.</summary>
    private void Train(params string[] workers)
    {
        Array.ForEach(workers, Start);
        Release(workers[0]);
        _coordinator.Tell(new Submissions.Submit(Experiment.Yaml, "test.yaml", _here.Path, RunDirectory, false, false), TestActor);
        _run = ExpectMsg<Submissions.Accepted>(Watched.Limit).Run;
        _world.Until(() => workers.All(_prepared.Contains), "all workers were prepared");
        UpTo(20);
        Join("server");
        Join(workers[0]);
        _world.Until(() => _applied == 21, "the first steps were made");
        Join(workers[1]);
    }

    private void Start(string name) => _nodes[name] = Sys.ActorOf(Props.Create(() => new NodeRelay(
        new NodeOptions { Roles = new[] { name == "server" ? "server" : "worker" }, HeldBytes = 0 }, name, _coordinator, message => Told(name, message), message => Said(name, message))), name);

    /// <summary>Not by a message: those that end an actor are taken from nobody.</summary>
    private void Stop(IActorRef actor)
    {
        var grave = CreateTestProbe();
        grave.Watch(actor);
        ((IInternalActorRef)actor).Stop();
        grave.ExpectTerminated(actor, Watched.Limit);
    }

    private void Join(string name) => _nodes[name].Tell(NodeRelay.Join.Instance);

    /// <summary>Its rows are being fetched, and do not come.</summary>
    private void Fetching(string name) => _world.Until(() => _asking.Contains(name), $"{name} fetches rows");

    private void Release(string name) => _world.Change(() => _released.Add(name));

    /// <summary>Steps are made up to this one.</summary>
    private void UpTo(long step) => _world.Change(() => _lastStep = step);

    private void Said(string name, object message) => _world.Change(() =>
    {
        switch (message)
        {
            case Nodes.Prepared:
                _prepared.Add(name);
                break;
            case Partitions.StepsApplied applied:
                _applied = Math.Max(_applied, applied.First.Value + applied.Rows.Length);
                break;
        }
    });

    /// <summary>What a node is told: the experiment's folder is an empty one there, and all ways lead by way of the test.</summary>
    private object Told(string name, object message)
    {
        switch (message)
        {
            case Nodes.Prepare { Data: { } data } prepare when name != "server":
                return prepare with { BaseDirectory = _there.Path, Data = data with { Host = "elsewhere", Addresses = [Proxy(name, data.Addresses, RowsPass)] } };
            case Assign assign:
                _world.Change(() => _shards[name] = assign.Shards);
                return assign with { Routes = Array.ConvertAll(assign.Routes, route => route with { Addresses = [Proxy(name, route.Addresses, StepsPass)] }) };
            case Partitions.Fence fence:
                _world.Change(() => _generation = fence.Generation.Value);
                return fence;
            case Partitions.Host host:
                _world.Change(() => _generation = host.Generation.Value);
                return host;
            default:
                return message;
        }
    }

    private string Proxy(string name, string[] addresses, Action<string, FrameHeader> pass)
    {
        var target = addresses.Single(static address => address.StartsWith("tcp://", StringComparison.Ordinal));
        lock (_proxies)
        {
            if (!_proxies.TryGetValue($"{name} {target}", out var proxy))
            {
                proxy = _proxies[$"{name} {target}"] = new FrameProxy(target, (_, frame) =>
                {
                    pass(name, frame);
                    return Fate.Pass;
                });
            }

            return proxy.Address;
        }
    }

    private void RowsPass(string name, FrameHeader frame)
    {
        if (frame is { Kind: FrameKind.Request, Flags: SupplyFrames.Records })
        {
            _world.Change(() => _asking.Add(name));
            _world.Hold(() => _over || _released.Contains(name));
        }
    }

    private void StepsPass(string name, FrameHeader frame)
    {
        if (frame.Kind == FrameKind.Push)
        {
            _world.Hold(() => _over || frame.Step <= _lastStep);
        }
    }

    private void AssertAsAlone()
    {
        var ended = (Submissions.Ended)FishForMessage(static message => message is Submissions.Ended, Watched.Limit);
        Assert.Null(ended.Failure);
        var alone = ReferenceTrainer.Train(Experiment.Plan(_here.Path));
        using var result = JsonDocument.Parse(ended.ResultJson!);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(alone.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(alone.Buffers.AsSpan())])),
            result.RootElement.GetProperty("parametersSha256").GetString());
    }

    private static Config Settings()
    {
        using var reader = new StreamReader(typeof(NodeHost).Assembly.GetManifestResourceStream("node.conf")!);
        return ConfigurationFactory.ParseString("akka { actor.serialize-messages = on, coordinated-shutdown.run-by-actor-system-terminate = off }")
            .WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()));
    }
}
