using DistributedTrainer.Engine.Autograd;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// How parameters come and gradients leave while a step is computed: see <see cref="StepLoop"/>. <see cref="IParameterFlow.Turn"/>
/// returns when all of the version is there, and the leaves of the step before it may be forgotten.
/// </summary>
internal interface IVersionFlow : IParameterFlow
{
    /// <summary>Whether gradients leave before all are done.</summary>
    bool Overlaps { get; }

    /// <summary>Whether not all of the version's parameters are in place yet.</summary>
    bool IsArriving { get; }
}
