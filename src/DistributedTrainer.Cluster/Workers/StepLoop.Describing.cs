using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What a version looks like, told by the worker that has shard 0: it holds all parameters and one leaf's gradient.</summary>
internal sealed partial class StepLoop
{
    private ParameterSummary[]? _description;
    private long _described = -1;

    /// <summary>Some fifty times in a run. The gradient follows with the step.</summary>
    private void Describe(int[] shards)
    {
        if (IsTorn || _computer.Reader.LacksParameters || !_plan.DescribesAt(_version) || _version == _described || Array.IndexOf(shards, 0) < 0)
        {
            return;
        }

        _described = _version;
        _description = ModelDescription.Of(_plan.Model.Layout, _computer.Reader.Parameter);
        _computer.MeasuresGradient = true;
        if (_version == _plan.TotalSteps)
        {
            TellDescription();
        }
    }

    private void TellDescription()
    {
        if (_description is not { } tensors)
        {
            return;
        }

        _events.Described(_described, ModelDescription.WithGradient(tensors, _exchange.Step == _described ? _computer.GradientNorms : null));
        (_description, _computer.MeasuresGradient) = (null, false);
    }
}
