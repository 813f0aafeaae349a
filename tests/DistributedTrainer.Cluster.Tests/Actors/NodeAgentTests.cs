using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class NodeAgentTests : ActorTest
{
    private readonly TestExperiment _experiment = new() { Split = "{ validation: 0.1, test: 0.1 }", Training = "{ epochs: 2, batch-size: 30, shards: 4 }" };
    private readonly TestProbe _coordinator;
    private readonly List<string> _shutdowns = [];
    private readonly IActorRef _agent;

    public NodeAgentTests()
    {
        _coordinator = CreateTestProbe("coordinator");
        var options = new NodeOptions { Roles = ["server", "worker"], Workers = 2 };
        _agent = Sys.ActorOf(NodeAgent.Props(options, new NodeId($"n-{Environment.ProcessId}"), _coordinator.Ref, NullLogger.Instance, _shutdowns.Add));
    }

    [Fact]
    public void It_registers_until_it_is_answered_and_rarely_afterwards()
    {
        var register = Registers(0);
        Assert.Equal((2, Environment.ProcessId), (register.Workers, register.ProcessId));
        Registers(0.25);
        Registers(0.25);
        _agent.Tell(new Nodes.Registered(register.Node, register.SentAt, register.SentAt), _coordinator.Ref);
        Settle();
        Advance(1.9);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Registers(0.1);
    }

    [Fact]
    public void It_prepares_a_run_and_answers_again_when_it_is_asked_again()
    {
        Registers(0);
        var prepare = Prepare("one");
        var prepared = _coordinator.ExpectMsg<Nodes.Prepared>();
        Assert.Equal(_experiment.Plan().Data.Dataset.Sha256, prepared.DataSha256);
        Assert.Equal(["in-process", "shared-memory", "unix", "tcp"], prepared.DataAddresses.Select(static address => address.Split(':')[0]));
        _agent.Tell(prepare, _coordinator.Ref);
        Assert.Equal(prepared.DataAddresses, _coordinator.ExpectMsg<Nodes.Prepared>().DataAddresses);
    }

    [Fact]
    public void It_tells_the_hash_of_starting_weights_too()
    {
        using var folder = new TemporaryFolder();
        var trained = ReferenceTrainer.Train(_experiment.Plan());
        using (var file = File.Create(Path.Combine(folder.Path, "start.safetensors")))
        {
            SafeTensors.Write(
                file,
                [.. _experiment.Plan().Model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, trained.Parameters.AsMemory(slot.Offset, slot.Shape.Elements)))],
                new Dictionary<string, string>());
        }

        Registers(0);
        var experiment = _experiment with { Model = "from: start.safetensors" };
        _agent.Tell(new Nodes.Prepare(new RunId("one"), 1, experiment.Yaml, folder.Path, "/runs/one", false), _coordinator.Ref);
        Assert.Equal(experiment.Plan(folder.Path).InputsSha256, _coordinator.ExpectMsg<Nodes.Prepared>().DataSha256);
    }

    [Fact]
    public void It_says_why_it_cannot_prepare_a_run()
    {
        Registers(0);
        _agent.Tell(new Nodes.Prepare(new RunId("one"), 1, "data: { source: missing.csv }\nmodel: { layers: [ linear: 3 ] }", "", "/runs/one", false), _coordinator.Ref);
        Assert.Contains("there is no file", _coordinator.ExpectMsg<Nodes.PrepareFailed>().Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void It_says_where_it_cannot_listen()
    {
        var agent = Sys.ActorOf(NodeAgent.Props(new NodeOptions { Roles = ["server"] }, new NodeId(new string('n', 200)), _coordinator.Ref, NullLogger.Instance, _shutdowns.Add));
        agent.Tell(new Nodes.Prepare(new RunId("one"), 1, _experiment.Yaml, "", "/runs/one", false), _coordinator.Ref);
        Assert.Contains("too long for a socket", _coordinator.FishForMessage<Nodes.PrepareFailed>(static _ => true, Patience).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void It_trains_one_run_after_the_other()
    {
        Registers(0);

        // What the workers tell of the parameters, and what steps were spent on, may come at any time.
        _coordinator.IgnoreMessages(static message => message is Protocol.Workers.Described or Nodes.Recorded);
        var expected = ReferenceTrainer.Train(_experiment.Plan());
        foreach (var run in (RunId[])[new RunId("one"), new RunId("two")])
        {
            Prepare(run.Value);
            var prepared = _coordinator.ExpectMsg<Nodes.Prepared>();
            _agent.Tell(new Partitions.Host(run, new Generation(1), [0], new StepId(0), 0, null), _coordinator.Ref);
            _coordinator.ExpectMsg<Partitions.Hosted>();
            Assert.Equal(0, _coordinator.ExpectMsg<Partitions.Fenced>().Version.Value);
            var route = new Protocol.Workers.Route(PartitionId.Lead, prepared.Node, "127.0.0.1", Environment.ProcessId, prepared.DataAddresses);
            for (var i = 0; i < 2; i++)
            {
                _agent.Tell(
                    new Protocol.Workers.Assign(run, new WorkerId($"{prepared.Node}/{i}"), new Generation(1), new Generation(1), new StepId(0), [2 * i, (2 * i) + 1], [route]), _coordinator.Ref);
            }

            // Both epochs are evaluated; the steps of each are told before its evaluation.
            var losses = new List<double>();
            for (var evaluations = 0; evaluations < 2;)
            {
                switch (_coordinator.FishForMessage(static message => message is Partitions.StepsApplied or Partitions.Evaluated, Patience))
                {
                    case Partitions.StepsApplied applied:
                        Assert.Equal(losses.Count, applied.First.Value);
                        losses.AddRange(applied.LossSums);
                        break;
                    case Partitions.Evaluated evaluated:
                        Assert.Equal((++evaluations * 4L, losses.Count), (evaluated.Version.Value, losses.Count));
                        Assert.Equal(evaluated.Version.Value, losses.Count);
                        break;
                }
            }

            Assert.Equal(expected.LossSums, losses);
            _agent.Tell(new Nodes.EndRun(run), _coordinator.Ref);
        }
    }

    [Fact]
    public void A_fence_is_answered_with_its_generation()
    {
        Registers(0);
        Prepare("one");
        _coordinator.ExpectMsg<Nodes.Prepared>();
        _agent.Tell(new Partitions.Fence(new RunId("one"), PartitionId.Lead, new Generation(1)), _coordinator.Ref);
        _agent.Tell(new Partitions.Host(new RunId("one"), new Generation(2), [0], new StepId(0), 0, null), _coordinator.Ref);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.Hosted>().Generation.Value);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.Fenced>().Generation.Value);
        _agent.Tell(new Partitions.Fence(new RunId("one"), PartitionId.Lead, new Generation(3)), _coordinator.Ref);
        Assert.Equal(3, _coordinator.ExpectMsg<Partitions.Fenced>().Generation.Value);
        _agent.Tell(new Partitions.Host(new RunId("one"), new Generation(4), [0], new StepId(0), 0, null), _coordinator.Ref);
        Assert.Equal(4, _coordinator.ExpectMsg<Partitions.Hosted>().Generation.Value);
        Assert.Equal(4, _coordinator.ExpectMsg<Partitions.Fenced>().Generation.Value);
    }

    [Fact]
    public void A_newer_host_replaces_the_partitions_and_the_same_one_does_not()
    {
        Registers(0);
        Prepare("one");
        _coordinator.ExpectMsg<Nodes.Prepared>();
        Host(2);
        Assert.Equal((2L, 0L), Fenced());
        var first = Partition(2);

        // Asked again.
        Host(2);
        Assert.Equal((2L, 0L), Fenced());
        Assert.Equal(first, Partition(2));

        // The state of version 3 is waited for: it is fenced when it has come.
        Watch(first);
        _agent.Tell(new Partitions.Host(new RunId("one"), new Generation(3), [0], new StepId(3), 0, null), _coordinator.Ref);
        Assert.Equal(3, _coordinator.ExpectMsg<Partitions.Hosted>().Generation.Value);
        ExpectTerminated(first);
        _agent.Tell(new Partitions.Fence(new RunId("one"), PartitionId.Lead, new Generation(3)), _coordinator.Ref);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Host(4);
        Assert.Equal((4L, 0L), Fenced());
    }

    [Fact]
    public void An_older_host_is_refused_with_the_generation_that_is_known()
    {
        Registers(0);
        Prepare("one");
        _coordinator.ExpectMsg<Nodes.Prepared>();
        Host(2);
        Fenced();
        _agent.Tell(new Partitions.Fence(new RunId("one"), PartitionId.Lead, new Generation(5)), _coordinator.Ref);
        Assert.Equal((5L, 0L), Fenced());
        _agent.Tell(new Partitions.Host(new RunId("one"), new Generation(4), [0], new StepId(0), 0, null), _coordinator.Ref);
        Assert.Equal(5, _coordinator.ExpectMsg<Partitions.Hosted>().Generation.Value);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Assert.NotNull(Partition(2));
    }

    [Fact]
    public void It_tells_a_coordinator_that_begins_anew_what_it_has()
    {
        Registers(0);
        var prepare = Prepare("one");
        _coordinator.ExpectMsg<Nodes.Prepared>();
        _agent.Tell(new Nodes.Recall(new RunId("other")), _coordinator.Ref);
        _agent.Tell(new Nodes.Recall(new RunId("one")), _coordinator.Ref);
        var recalled = _coordinator.ExpectMsg<Nodes.Recalled>();
        Assert.Equal((prepare, 0L, 0L), (recalled.Preparation, recalled.Newest.Value, recalled.Loaded.Value));
        Assert.Empty(recalled.Partitions);
        Host(2);
        Fenced();
        _agent.Tell(new Partitions.Fence(new RunId("one"), PartitionId.Lead, new Generation(5)), _coordinator.Ref);
        Fenced();
        _agent.Tell(new Nodes.Recall(new RunId("one")), _coordinator.Ref);
        recalled = _coordinator.ExpectMsg<Nodes.Recalled>();
        Assert.Equal((5L, 2L), (recalled.Newest.Value, recalled.Loaded.Value));
        Assert.Equal([0], recalled.Partitions);
        Assert.Equal(new RunId("one"), Registers(0.25).Run);

        // Of a run that is over nothing is known.
        _agent.Tell(new Nodes.EndRun(new RunId("one")), _coordinator.Ref);
        _agent.Tell(new Nodes.Recall(new RunId("one")), _coordinator.Ref);
        Assert.Null(Registers(0.25).Run);
    }

    private void Host(long generation)
    {
        _agent.Tell(new Partitions.Host(new RunId("one"), new Generation(generation), [0], new StepId(0), 0, null), _coordinator.Ref);
        Assert.Equal(generation, _coordinator.ExpectMsg<Partitions.Hosted>().Generation.Value);
    }

    private (long Generation, long Version) Fenced()
    {
        var fenced = _coordinator.ExpectMsg<Partitions.Fenced>();
        return (fenced.Generation.Value, fenced.Version.Value);
    }

    private IActorRef Partition(long generation) => Sys.ActorSelection(_agent.Path / $"partition-0-one-{generation}").ResolveOne(Patience).GetAwaiter().GetResult();

    [Fact]
    public void It_shuts_down_when_it_is_told()
    {
        _agent.Tell(new Nodes.Shutdown("the run is over"), _coordinator.Ref);
        Settle();
        Assert.Equal(["the run is over"], _shutdowns);
    }

    private Nodes.Register Registers(double seconds)
    {
        Settle();
        Advance(seconds);
        return _coordinator.ExpectMsg<Nodes.Register>();
    }

    private Nodes.Prepare Prepare(string run)
    {
        var prepare = new Nodes.Prepare(new RunId(run), (ulong)run.GetHashCode(StringComparison.Ordinal), _experiment.Yaml, "", "/runs/one", false);
        _agent.Tell(prepare, _coordinator.Ref);
        return prepare;
    }

    private void Settle()
    {
        var probe = CreateTestProbe();
        _agent.Tell(new Identify(null), probe.Ref);
        probe.ExpectMsg<ActorIdentity>();
    }
}
