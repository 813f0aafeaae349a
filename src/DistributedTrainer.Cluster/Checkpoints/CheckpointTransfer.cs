using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>A checkpoint between its flat vectors and the partitions of a cluster.</summary>
internal static class CheckpointTransfer
{
    /// <summary>Fills a checkpoint with what all partitions have put aside of its version.</summary>
    /// <exception cref="IOException">A server is gone, or has it no more.</exception>
    public static void Fetch(TrainingPlan plan, string host, IReadOnlyList<Route> routes, Checkpoint into)
    {
        using var transfer = new StateTransfer(plan, host, routes);
        foreach (var range in plan.Ranges)
        {
            foreach (var (vector, parts) in VectorsOf(into, range))
            {
                // The lead partition sends parameters and running statistics in one piece.
                var whole = parts.Length == 1 ? parts[0] : new float[parts.Sum(static part => part.Length)];
                transfer.Fetch(range.Id, into.Step, vector, whole);
                for (int p = 0, at = 0; parts.Length > 1 && p < parts.Length; at += parts[p++].Length)
                {
                    whole.Slice(at, parts[p].Length).CopyTo(parts[p]);
                }
            }
        }

        if (plan.IsLoose)
        {
            var place = 1 + into.State.Length + (into.Best is null ? 0 : 1);
            byte[][] logs = [.. plan.Ranges.Select(range => transfer.FetchBytes(range.Id, into.Step, place))];
            into.Orders = [new OrderSection(new Servers.OrderLog.Reader(logs[0]).Start, logs, plan.Experiment.Training.Mode, plan.Experiment.Training.Staleness)];
        }
    }

    /// <summary>Brings it to all partitions, which were told to begin with its version. What is returned is disposed of once they have it.</summary>
    /// <exception cref="IOException">A server is gone.</exception>
    public static IDisposable Restore(TrainingPlan plan, string host, IReadOnlyList<Route> routes, long generation, Checkpoint checkpoint)
    {
        var transfer = new StateTransfer(plan, host, routes);
        try
        {
            foreach (var range in plan.Ranges)
            {
                foreach (var (vector, parts) in VectorsOf(checkpoint, range))
                {
                    transfer.Restore(range.Id, generation, checkpoint.Step, vector, Joined(parts).Span);
                }
            }

            return transfer;
        }
        catch
        {
            transfer.Dispose();
            throw;
        }
    }

    private static ReadOnlyMemory<float> Joined(Memory<float>[] parts)
    {
        if (parts.Length == 1)
        {
            return parts[0];
        }

        var whole = new float[parts.Sum(static part => part.Length)];
        for (int p = 0, at = 0; p < parts.Length; at += parts[p++].Length)
        {
            parts[p].CopyTo(whole.AsMemory(at));
        }

        return whole;
    }

    private static IEnumerable<(int Vector, Memory<float>[] Parts)> VectorsOf(Checkpoint checkpoint, PartitionRange range)
    {
        yield return (0, Version(checkpoint.Parameters, checkpoint.RunningStatistics));
        for (var k = 0; k < checkpoint.State.Length; k++)
        {
            yield return (1 + k, [Own(checkpoint.State[k])]);
        }

        if (checkpoint.Best is { } best)
        {
            yield return (1 + checkpoint.State.Length, Version(best.Parameters, best.RunningStatistics));
        }

        Memory<float> Own(float[] flat) => flat.AsMemory(range.Offset, range.Length);

        Memory<float>[] Version(float[] parameters, float[] statistics) =>
            range.Id == 0 && statistics.Length > 0 ? [Own(parameters), statistics] : [Own(parameters)];
    }
}
