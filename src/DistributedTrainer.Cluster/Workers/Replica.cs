using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// A worker's copy of what partitions have: parameters and the optimizer's state. Given the gradient of a step it makes the
/// next version as the server does, with the same bits; so a small gradient travels instead of all parameters. The step
/// thread's.
/// </summary>
internal sealed class Replica(TrainingPlan plan)
{
    private readonly Part?[] _parts = new Part?[plan.Ranges.Count];

    /// <summary>Whether a partition's version is here, with the optimizer's state.</summary>
    public bool Has(int partition, long version) => _parts[partition]?.Version == version;

    /// <summary>The parameters of a partition that is here.</summary>
    public ReadOnlySpan<float> Parameters(int partition) => _parts[partition]!.Parameters.Span;

    /// <summary>Takes a partition over.</summary>
    /// <param name="partition">Which.</param>
    /// <param name="version">Its version.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="state">The vectors of the optimizer's state, one behind the other.</param>
    public void Load(int partition, long version, ReadOnlySpan<float> parameters, ReadOnlySpan<float> state)
    {
        var part = _parts[partition] ??= new Part(plan, plan.Ranges[partition]);
        parameters.CopyTo(part.Parameters.Span);
        for (var k = 0; k < part.State.Length; k++)
        {
            state.Slice(k * parameters.Length, parameters.Length).CopyTo(part.State[k].Span);
        }

        part.Version = version;
    }

    /// <summary>Makes the next version of a partition.</summary>
    /// <param name="partition">Which.</param>
    /// <param name="version">The next one.</param>
    /// <param name="gradient">Of the step that leads to it.</param>
    /// <param name="rows">Rows of that step.</param>
    /// <param name="reductions">How often the learning rate was lowered before it.</param>
    /// <param name="scale">Of the gradient, where its norm is clipped.</param>
    /// <exception cref="InvalidOperationException">The version before it is not here.</exception>
    public void Update(int partition, long version, LeafBuffer gradient, int rows, int reductions, float scale)
    {
        if (_parts[partition] is not { } part || part.Version != version - 1)
        {
            throw new InvalidOperationException($"replica: version {version - 1} of partition {partition} is not here, so that {version} cannot be made of it.");
        }

        part.Pass.Run(version - 1, reductions, rows, part.Parameters, gradient, null, part.Parameters, scale);
        part.Version = version;
    }

    /// <summary>A partition went another way than by updates.</summary>
    public void Forget(int partition)
    {
        if (_parts[partition] is { } part)
        {
            part.Version = -1;
        }
    }

    /// <summary>All of them did.</summary>
    public void Forget()
    {
        for (var partition = 0; partition < _parts.Length; partition++)
        {
            Forget(partition);
        }
    }

    private sealed class Part
    {
        public Part(TrainingPlan plan, PartitionRange range)
        {
            Parameters = new AlignedBuffer(range.Length);
            State = [.. Enumerable.Range(0, plan.Optimizer.StateVectors).Select(_ => new AlignedBuffer(range.Length))];
            Pass = new UpdatePass(plan, range, State);
        }

        public AlignedBuffer Parameters { get; }

        public AlignedBuffer[] State { get; }

        public UpdatePass Pass { get; }

        /// <summary>−1: not whole.</summary>
        public long Version { get; set; } = -1;
    }
}
