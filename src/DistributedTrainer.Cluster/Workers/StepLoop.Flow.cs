using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Where gradients and parameters travel, the step does not wait for the whole of them: a partition's gradient leaves as soon
/// as the pass backwards is done with its layers, and the pass forward begins with the first partition of the next version,
/// while the others are on their way. Until all of them are there the worker is at the version before: it may have to push
/// the leaves of its step again.
/// </summary>
internal sealed partial class StepLoop : IVersionFlow
{
    private readonly Func<bool> _isNextThere;

    // The version that is computed with although not all of it is there; −1: none.
    private long _arriving = -1;

    // Its partitions up to this one lie where the model computes.
    private int _arrived;

    /// <summary>Whether parts of two versions lie where the model computes: it must be had anew before anything else is computed.</summary>
    private bool IsTorn => _arriving >= 0;

    bool IVersionFlow.Overlaps => _links.Overlaps;

    bool IVersionFlow.IsArriving => IsTorn;

    void IParameterFlow.Await(int end)
    {
        while (IsTorn && _arrived < _plan.Ranges.Count && _plan.Ranges[_arrived].Offset < end)
        {
            AwaitNext();
            _inbox.CopyTo(_computer.Parameters, _computer.Buffers, _arrived++);
        }
    }

    void IParameterFlow.Turn()
    {
        if (IsTorn)
        {
            ((IParameterFlow)this).Await(_plan.Model.Layout.Length);
            _inbox.Take();
            Volatile.Write(ref _version, _arriving);
            _arriving = -1;
            _computer.BeginStep(_version);
        }
    }

    void IParameterFlow.Done(int start)
    {
        // The last ones leave with what is known of the whole.
        for (var p = _links.FirstOpen - 1; p > 0 && _links.Overlaps && _plan.Ranges[p].Offset >= start; p--)
        {
            if (!_computer.TrySum(_plan.Ranges[p].Offset))
            {
                return;
            }

            _clock.Computed();
            _links.PushOpen(_exchange.Generation, _version, _plan.Ranges[p], _computer.Nodes);
            _clock.Pushed();
            CrashPoint.Reach("worker.open-push", _version);
        }
    }

    /// <summary>Whether the pass over a version's leaves may begin before all of it is there.</summary>
    private bool Flows(long version) =>
        _links.Overlaps && _plan.Ranges.Count > 1 && version < _plan.TotalSteps && !_plan.EvaluatesAt(version) && !_plan.DescribesAt(version) && _computer.HasRowsOf(version);

    /// <summary>Waits for the first partition of the next version, which all begins with; the exchange of statistics needs its server there.</summary>
    private bool Approach(long version, long generation)
    {
        _links.Pull(generation, version);
        _arrived = 0;
        BeginWait(_isNextThere, _versionRepeats);
        if (!AwaitVersion(_isNextThere, version, generation, pushed: true))
        {
            return false;
        }

        _clock.Waited();
        _arriving = version;
        return true;
    }

    private void AwaitNext()
    {
        if (_inbox.Has(_arrived))
        {
            return;
        }

        _clock.Computed();
        _versionRepeats.Begin();
        if (!AwaitVersion(_isNextThere, _arriving, _exchange.Generation, pushed: true))
        {
            throw new ExchangeAbandonedException();
        }

        _clock.Waited();
    }
}
