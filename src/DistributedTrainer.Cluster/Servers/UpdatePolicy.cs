using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>How workers and servers keep step: when gradients are applied, and how far a worker may be ahead of the slowest.</summary>
internal abstract class UpdatePolicy
{
    /// <summary>Whether an update waits for all leaves of its step. Otherwise each push is an update of its own, in the order of arrival.</summary>
    public abstract bool WaitsForAll { get; }

    /// <summary>Whether a worker may begin a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="slowest">The first step of which a leaf is missing.</param>
    public abstract bool MayBegin(long step, long slowest);

    /// <summary>The one that an experiment asks for.</summary>
    public static UpdatePolicy Of(TrainingOptions training) => training.Mode switch
    {
        TrainingMode.Stale => new StalePolicy(training.Staleness),
        TrainingMode.Async => new AsyncPolicy(),
        _ => new SyncPolicy(),
    };
}

/// <summary>All leaves of a step make one update: the same bits whoever computes.</summary>
internal sealed class SyncPolicy : UpdatePolicy
{
    public override bool WaitsForAll => true;

    public override bool MayBegin(long step, long slowest) => step <= slowest;
}

/// <summary>
/// Nobody is more than so many steps ahead of the slowest. Source: Ho et al., "More effective distributed ML via a stale
/// synchronous parallel parameter server", 2013.
/// </summary>
internal sealed class StalePolicy(int staleness) : UpdatePolicy
{
    public override bool WaitsForAll => false;

    public override bool MayBegin(long step, long slowest) => step <= slowest + staleness;
}

/// <summary>Nobody waits for anybody. Source: Dean et al., "Large scale distributed deep networks", 2012.</summary>
internal sealed class AsyncPolicy : UpdatePolicy
{
    public override bool WaitsForAll => false;

    public override bool MayBegin(long step, long slowest) => true;
}
