using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Training;

public sealed class StepLoopTests
{
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Transport = "tcp",
    };

    [Fact]
    public void A_connection_that_opens_while_the_loop_ends_is_closed()
    {
        var plan = Experiment.Plan();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var loop = new StepLoop(plan, "w0", "here", new Silent());
        loop.Start();
        loop.Reassign(To(plan, $"tcp://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}", [0]));
        using var server = listener.Accept();
        server.ReceiveTimeout = (int)MiniCluster.Limit.TotalMilliseconds;
        var bytes = new byte[FrameFormat.HeaderBytes];
        ReadAll(server, bytes);

        // The worker waits for the hello; meanwhile the run ends.
        loop.Dispose();
        FrameFormat.Write(new FrameHeader { Kind = FrameKind.Hello, Run = plan.Token }, bytes);
        server.Send(bytes);
        while (server.Receive(bytes) > 0)
        {
        }
    }

    [Fact]
    public void A_loop_that_never_started_can_be_disposed_of() => new StepLoop(Experiment.Plan(), "w0", "here", new Silent()).Dispose();

    [Fact]
    public void A_worker_without_shards_stands_by_and_takes_over_later()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        var (busy, idle) = (cluster.Add("busy"), cluster.Add("idle"));
        cluster.Do(() =>
        {
            // Nobody has shard 3: the first step cannot be made before the second assignment.
            cluster.Assign((busy, [0, 1, 2]), (idle, []));
            Assert.Equal(0, idle.Loop.RowsComputed);
            cluster.Assign((busy, []), (idle, [0, 1, 2, 3]));
        });
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(plan.TotalSteps, idle.Loop.Version);
    }

    [Theory]
    [InlineData("linear: 8", "in-process")]
    [InlineData("linear: 300", "in-process")]
    [InlineData("linear: 300", "shared-memory")]
    [InlineData("linear: 300", "tcp")]
    [InlineData("linear: 300", "in-process", 4)]
    [InlineData("linear: 300", "tcp", 4)]
    [InlineData("linear: 300", "in-process", 1, 2)]
    [InlineData("linear: 300", "tcp", 1, 3)]
    [InlineData("linear: 300", "shared-memory", 4, 2)]
    public void A_warm_step_allocates_next_to_nothing_whatever_the_models_size(string layer, string transport, int localSteps = 1, int threads = 1)
    {
        var experiment = new TestExperiment { Layers = [layer, "relu", "linear: 3"], Training = $"{{ epochs: 40, batch-size: 20, shards: 4, local-steps: {localSteps} }}", Transport = transport };
        var plan = experiment.Plan();
        var seen = new Dictionary<long, StepCosts>();
        using var cluster = new MiniCluster(plan) { Threads = _ => threads };
        var worker = cluster.Add("w0");
        cluster.StepBeingApplied = step => seen[step] = worker.Loop.Costs;
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2, 3])));
        cluster.Run();

        // Steps between evaluations; the clock counts a step when the next version was taken over.
        var least = Enumerable.Range(20, 20).Select(step => seen[step]).Zip(Enumerable.Range(21, 20).Select(step => seen[step]))
            .Where(static pair => pair.Second.Steps > pair.First.Steps)
            .Min(static pair => (pair.Second.AllocatedBytes - pair.First.AllocatedBytes) / (pair.Second.Steps - pair.First.Steps));
        Assert.InRange(least, 0, 400);
    }

    [Fact]
    public void An_older_assignment_is_ignored()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        var worker = cluster.Add("w0");
        cluster.Do(() =>
        {
            cluster.Assign((worker, [0, 1, 2, 3]));
            worker.Loop.Reassign(new Protocol.Workers.Assign(new RunId("mini"), new WorkerId("w0"), new Generation(0), new Generation(0), new StepId(0), [], worker.Routes));
        });
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void An_exchange_that_is_broken_off_again_and_again_reuses_its_buffers()
    {
        var plan = Experiment.Plan();
        var computer = new LeafComputer(plan);
        plan.Model.Initialize(computer.Parameters, computer.Buffers, plan.Seed);
        computer.BeginStep(0);
        void BreakOff() => Assert.Throws<ExchangeAbandonedException>(() => computer.Compute([0, 1, 2, 3], 0, new Breaking(), new AllAtOnce()));
        BreakOff();
        var before = GC.GetAllocatedBytesForCurrentThread();
        BreakOff();

        // One of the four gradients alone would be more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, plan.Model.Layout.Length * sizeof(float));
    }

    private static Protocol.Workers.Assign To(TrainingPlan plan, string address, int[] shards) =>
        new(new RunId("run"), new WorkerId("w0"), new Generation(1), new Generation(1), new StepId(0), shards,
            [.. plan.Ranges.Select(range => new Protocol.Workers.Route(new PartitionId(range.Id), new NodeId("s0"), "here", 0, [address]))]);

    private static void ReadAll(Socket socket, byte[] bytes)
    {
        for (var at = 0; at < bytes.Length;)
        {
            var count = socket.Receive(bytes.AsSpan(at));
            Assert.NotEqual(0, count);
            at += count;
        }
    }

    private sealed class Silent : IStepLoopEvents
    {
        public void LinkLost(string server, string reason)
        {
        }

        public void NotFinite(long step, LeafFinding finding)
        {
        }

        public void Described(long version, ParameterSummary[] tensors)
        {
        }

        public void Pauses()
        {
        }

        public void Failed(long step, Exception cause)
        {
        }
    }

    private sealed class Breaking : IBatchStatisticsExchange
    {
        public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) => throw new ExchangeAbandonedException();

        public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) => throw new NotSupportedException();

        public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) => throw new NotSupportedException();
    }
}
