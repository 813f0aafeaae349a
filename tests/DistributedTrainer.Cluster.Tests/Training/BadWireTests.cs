using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Frames that are lost, repeated, late, in another order or torn, in both directions: the bits are those of a quiet run.</summary>
public sealed class BadWireTests
{
    // Quick to ask, slow to give up: a busy machine is no dead one.
    internal static readonly ResendTimes Quick = new() { First = TimeSpan.FromMilliseconds(15), Longest = TimeSpan.FromMilliseconds(120), Silence = TimeSpan.FromSeconds(30) };

    private static readonly TestExperiment Synchronised = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "batch-norm", "relu", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 37, shards: 5 }",
        Split = "{ validation: 0.1, test: 0.1 }",
        Partitions = 3,
        Transport = "tcp",
    };

    private static readonly TestExperiment Unsynchronised = Synchronised with
    {
        Layers = ["linear: 64", "batch-norm: { sync: false }", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 40, shards: 5 }",
    };

    private static readonly TestExperiment Plain = Synchronised with { Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"], Partitions = 2, Split = "none" };

    private static readonly TestExperiment Clipped = Plain with { Optimizer = "{ kind: adam, learning-rate: 0.01, clip-norm: 0.1 }" };

    private static TestExperiment Compressed(string compression) => Synchronised with { Training = $"{{ epochs: 2, batch-size: 37, shards: 5, compression: {compression} }}" };

    public static TheoryData<string, string, string, int, int, int> Cases()
    {
        var cases = new TheoryData<string, string, string, int, int, int>();
        var number = 0;
        foreach (var model in (string[])["synchronised", "unsynchronised", "plain"])
        {
            // All together also with other seeds.
            foreach (var faults in (Faults[])[Faults.Drop, Faults.Repeat, Faults.Reorder, Faults.Delay, Faults.Cut, Faults.All, Faults.All, Faults.All])
            {
                cases.Add(model, faults.ToString(), "never", 1 + (number % 3), 1 + (number / 3 % 2), number);
                number++;
            }
        }

        // And with partitions that travel each on its own, so that a worker is cut off between two versions.
        foreach (var model in (string[])["synchronised", "unsynchronised", "plain"])
        {
            foreach (var faults in (Faults[])[Faults.Drop, Faults.Reorder, Faults.Cut, Faults.All, Faults.All])
            {
                cases.Add(model, faults.ToString(), "always", 1 + (number % 3), 1 + (number / 3 % 2), number);
                number++;
            }
        }

        foreach (var model in (string[])["int8", "top-k"])
        {
            foreach (var faults in (Faults[])[Faults.Drop, Faults.Repeat, Faults.Reorder, Faults.Cut, Faults.All, Faults.All])
            {
                cases.Add(model, faults.ToString(), "auto", 1 + (number % 3), 1 + (number / 3 % 2), number);
                number++;
            }
        }

        cases.Add("clipped", nameof(Faults.Drop), "never", 2, 2, number);
        cases.Add("clipped", nameof(Faults.All), "always", 2, 2, number + 1);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Frames_that_fare_badly_change_no_bit(string model, string faults, string overlap, int workers, int servers, int seed)
    {
        var plan = ((model switch { "synchronised" => Synchronised, "unsynchronised" => Unsynchronised, "clipped" => Clipped, "int8" => Compressed("int8"), "top-k" => Compressed("{ top-k: 0.02 }"), _ => Plain }) with { Overlap = overlap }).Plan();
        var counts = new FaultCounts();
        var kinds = Enum.Parse<Faults>(faults);
        using var cluster = new MiniCluster(plan, servers) { Times = Quick };
        var wires = Start(cluster, workers, kinds, seed, counts);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Array.ForEach(wires, static wire => wire.Dispose());
        foreach (var fault in Enum.GetValues<Faults>().Where(fault => fault is not (Faults.None or Faults.All) && (kinds & fault) != 0))
        {
            Assert.NotEqual(0, counts[fault]);
        }

        if ((kinds & Faults.Cut) == 0)
        {
            // Nothing but a cut breaks a connection.
            Assert.Empty(cluster.LostLinks);
            Assert.Equal(1, cluster.Generation);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_connection_that_is_cut_in_one_direction_only_is_given_up_and_opened_anew(bool inExchange)
    {
        var plan = (inExchange ? Synchronised : Plain).Plan();
        using var cluster = new MiniCluster(plan, servers: 2) { Times = Quick with { Silence = TimeSpan.FromMilliseconds(300) } };
        var silenced = 0;
        var wires = Start(cluster, 2, Faults.None, 0, new FaultCounts(), wire => wire.Passes = (connection, toWorker, frame) =>
        {
            // Whatever goes to the worker over its first connections vanishes from the third step on.
            if (connection == 1 && toWorker && frame.Step >= 3)
            {
                Interlocked.Increment(ref silenced);
                return false;
            }

            return true;
        });
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Array.ForEach(wires, static wire => wire.Dispose());
        Assert.NotEqual(0, silenced);
        Assert.All(cluster.LostLinks, static lost => Assert.StartsWith("no answer for", lost.Reason, StringComparison.Ordinal));
        Assert.Contains(cluster.LostLinks, static lost => lost.Worker == "w0");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_connection_that_only_the_server_knows_to_be_closed_is_opened_anew(bool inExchange)
    {
        var plan = (inExchange ? Synchronised : Plain).Plan();
        using var cluster = new MiniCluster(plan, servers: 1) { Times = Quick with { Silence = TimeSpan.FromMilliseconds(300) } };
        var wires = Start(cluster, 2, Faults.None, 0, new FaultCounts(), wire => wire.Deserts = (connection, frame) =>
            connection == 1 && frame.Step == 2 && frame.Kind == (inExchange ? FrameKind.Statistics : FrameKind.Push));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Array.ForEach(wires, static wire => wire.Dispose());
        Assert.All(cluster.LostLinks, static lost => Assert.StartsWith("no answer for", lost.Reason, StringComparison.Ordinal));
        Assert.NotEmpty(cluster.LostLinks);
    }

    [Fact]
    public void A_worker_that_waits_for_a_slow_one_sends_questions_and_nothing_else_again()
    {
        var plan = Plain.Plan();
        var counts = new Dictionary<FrameKind, int>();
        using var cluster = new MiniCluster(plan) { Times = Quick };
        using var asked = new ManualResetEventSlim();
        FaultyWire[] wires = [];
        var quick = cluster.Add("quick", routes =>
        {
            (var through, wires) = FaultyWire.Between(routes, Faults.None, 0, new FaultCounts());
            wires[0].Passes = (_, toWorker, frame) =>
            {
                lock (counts)
                {
                    if (!toWorker && frame.Step <= 1)
                    {
                        counts[frame.Kind] = counts.GetValueOrDefault(frame.Kind) + 1;
                        if (counts.GetValueOrDefault(FrameKind.Request) >= 10)
                        {
                            asked.Set();
                        }
                    }
                }

                return true;
            };
            return through;
        });
        var slow = cluster.Add("slow");
        cluster.Do(() =>
        {
            // Nobody computes shard 4 until the quick worker has asked for a while.
            cluster.Assign((quick, [0, 1, 2, 3]), (slow, []));
            Assert.True(asked.Wait(MiniCluster.Limit));
            lock (counts)
            {
                // One node of four shards, two partitions.
                Assert.Equal(2, counts[FrameKind.Push]);
                Assert.Equal(2, counts[FrameKind.Pull]);
            }

            cluster.Assign((quick, [0, 1, 2, 3]), (slow, [4]));
        });
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Array.ForEach(wires, static wire => wire.Dispose());
    }

    internal static FaultyWire[] Start(MiniCluster cluster, int workers, Faults faults, int seed, FaultCounts counts, Action<FaultyWire>? prepare = null)
    {
        var all = new List<FaultyWire>();
        var added = Enumerable.Range(0, workers).Select(i => cluster.Add($"w{i}", routes =>
        {
            var (through, wires) = FaultyWire.Between(routes, faults, (seed * 1000) + (i * 10), counts);
            if (i == 0 && prepare is not null)
            {
                Array.ForEach(wires, wire => prepare(wire));
            }

            all.AddRange(wires);
            return through;
        })).ToArray();
        var assignment = new ShardAssignment(cluster.Plan.Shards);
        var ids = Array.ConvertAll(added, static worker => new WorkerId(worker.Name));
        assignment.Rebalance(ids);
        cluster.Do(() => cluster.Assign(added.Select((worker, i) => (worker, assignment.ShardsOf(ids[i]))).ToArray()));
        return [.. all];
    }
}
