namespace DistributedTrainer.Cluster.Workers;

/// <summary>What a version looks like, told by the worker that has shard 0: it holds all parameters.</summary>
internal sealed partial class StepLoop
{
    private long _described = -1;

    /// <summary>Some fifty times in a run.</summary>
    private void Describe(int[] shards)
    {
        if (IsTorn || _computer.Reader.LacksParameters || !_plan.DescribesAt(_version) || _version == _described || Array.IndexOf(shards, 0) < 0)
        {
            return;
        }

        _described = _version;
        _events.Described(_version, ModelDescription.Of(_plan, _computer.Reader.Parameter));
    }
}
