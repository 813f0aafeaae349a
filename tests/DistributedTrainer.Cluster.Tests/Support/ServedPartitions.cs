using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Partitions on the bench that are reached over the real data plane, as on a server node.</summary>
internal sealed class ServedPartitions : IDisposable
{
    private static int _count;
    private readonly DataPlaneServer _server;

    /// <param name="plan">Whose.</param>
    /// <param name="certificates">With these only whoever has some of the same authority is let in from the network.</param>
    public ServedPartitions(TrainingPlan plan, NodeCertificates? certificates = null) => (Plan, _server) = (plan, new DataPlaneServer("127.0.0.1", $"served-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}", plan.Token, static _ => { }, certificates: certificates));

    public TrainingPlan Plan { get; }

    public string[] Addresses => _server.Addresses;

    public PartitionBench[] Benches { get; private set; } = [];

    /// <summary>Begins anew, in the place of what was served before.</summary>
    public void Begin(long generation = 1, StartingPoint start = default)
    {
        Array.ForEach(Benches, static bench => bench.Partition.Dispose());
        Benches = [.. Plan.Ranges.Select(range => new PartitionBench(Plan, range.Id, generation, start))];
        _server.Serve(new ServedRun { Partitions = Benches.ToDictionary(static bench => bench.Partition.Range.Id, static bench => bench.Partition), LinkLost = static (_, _) => { } });
    }

    /// <summary>Steps in all partitions; the version after them is put aside.</summary>
    public void Train(long from, long until)
    {
        foreach (var bench in Benches)
        {
            for (var step = from; step < until; step++)
            {
                bench.PushAll(step, ask: step == until - 1 ? CheckpointAsk.Snapshot : CheckpointAsk.None);
            }
        }
    }

    public static Partitions.StepsApplied Told(RunId run, TrainingPlan plan, long from, long until)
    {
        var steps = Enumerable.Range((int)from, (int)(until - from)).ToArray();
        return new(run, new StepId(from), [.. steps.Select(static step => 10.0 / (step + 1))], [.. steps.Select(step => plan.RowsIn(step))], [.. steps.Select(static _ => 0.1)], [.. steps.Select(static step => step * 1000L)], [], 0);
    }

    public void Dispose()
    {
        _server.Dispose();
        Array.ForEach(Benches, static bench => bench.Partition.Dispose());
    }
}
