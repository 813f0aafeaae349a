using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Workers;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Fetches one version of all parameters over the data plane.</summary>
internal sealed record FinalParameters(float[] Parameters, float[] Buffers)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <exception cref="IOException">A server does not answer.</exception>
    public static FinalParameters Fetch(TrainingPlan plan, string host, IReadOnlyList<Route> routes, long generation, long version)
    {
        var inbox = new WorkerInbox(plan);
        // The coordinator may be elsewhere than the workers, whose transport the experiment chooses.
        using var links = new ServerLinks(plan, inbox, "coordinator", host, "auto");
        links.Connect(routes);
        links.Pull(generation, version);
        lock (inbox.Gate)
        {
            while (!inbox.IsWhole)
            {
                if (inbox.Broken is { } reason)
                {
                    throw new IOException($"the trained parameters could not be fetched from {inbox.BrokenServer}: {reason}");
                }

                if (!Monitor.Wait(inbox.Gate, Patience))
                {
                    throw new IOException($"the trained parameters did not arrive within {Patience.TotalSeconds} s.");
                }
            }
        }

        var result = new FinalParameters(new float[plan.Model.Layout.Length], new float[plan.Model.Buffers.Length]);
        inbox.CopyTo(result.Parameters, result.Buffers);
        return result;
    }
}
