using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Error feedback: what was not sent yet of the gradients of the shards that are computed here, at the version that is
/// computed with. A step leaves it as it was until the next version is there, so that a leaf can be computed again, and a
/// step that is left out changes nothing. The step thread's.
/// </summary>
internal sealed class ShardResiduals(TrainingPlan plan)
{
    private readonly Entry?[] _entries = new Entry?[plan.Shards];

    /// <summary>Whether a shard's residual at a version is here.</summary>
    public bool Has(int shard, long version) => _entries[shard]?.Version == version;

    /// <summary>Nothing has been left of a shard: so all begin.</summary>
    public void Begin(int shard)
    {
        Place(shard).Span.Clear();
        Loaded(shard, 0);
    }

    /// <summary>Where a shard's residual goes that comes from elsewhere.</summary>
    public AlignedBuffer Place(int shard)
    {
        var entry = _entries[shard] ??= new Entry(plan.Model.Layout.Length);
        (entry.Version, entry.Step) = (-1, -1);
        return entry.Now;
    }

    /// <summary>It is there.</summary>
    public void Loaded(int shard, long version) => _entries[shard]!.Version = version;

    /// <summary>Rounds a leaf's gradient, with what is left of those before it.</summary>
    /// <exception cref="InvalidOperationException">The residual at this version is not here.</exception>
    public void Round(int shard, long step, Span<float> gradient)
    {
        if (_entries[shard] is not { } entry || entry.Version != step)
        {
            throw new InvalidOperationException($"residuals: that of shard {shard} at version {step} is not here.");
        }

        // A gradient is a sum over the rows of its step, and the mean is what counts: what a whole batch has left weighs in a
        // smaller one as much as its rows do.
        var (rows, whole) = (plan.RowsIn(step), plan.BatchSize);
        var (before, after) = (entry.Now, entry.Next);
        if (rows != whole)
        {
            ElementWise.Scale(after.Span, before.Span, (float)((double)rows / whole));
            before = after;
        }

        plan.Codec!.RoundLeaf(gradient, before.Span, after.Span);
        if (rows != whole)
        {
            ElementWise.Scale(after.Span, after.Span, (float)((double)whole / rows));
        }

        entry.Step = step;
    }

    /// <summary>The residual of a shard once the step is applied: where it had no leaf, it stays.</summary>
    public ReadOnlySpan<float> After(int shard, long step) => _entries[shard] is { } entry ? (entry.Step == step ? entry.Next : entry.Now).Span : [];

    /// <summary>A version is there: what its step has left is what counts now.</summary>
    /// <param name="version">The version.</param>
    /// <param name="skipped">Whether its step was left out.</param>
    public void Advance(long version, bool skipped)
    {
        foreach (var entry in _entries)
        {
            if (entry is null || entry.Version != version - 1)
            {
                continue;
            }

            if (entry.Step == version - 1 && !skipped)
            {
                (entry.Now, entry.Next) = (entry.Next, entry.Now);
            }

            (entry.Version, entry.Step) = (version, -1);
        }
    }

    /// <summary>Training goes back: what is here belongs to a course that was given up.</summary>
    public void Forget() => Array.Clear(_entries);

    private sealed class Entry(int length)
    {
        public AlignedBuffer Now { get; set; } = new(length);

        public AlignedBuffer Next { get; set; } = new(length);

        /// <summary>Of <see cref="Now"/>; −1: not whole.</summary>
        public long Version { get; set; } = -1;

        /// <summary>The step that has written <see cref="Next"/>; −1: none.</summary>
        public long Step { get; set; } = -1;
    }
}
