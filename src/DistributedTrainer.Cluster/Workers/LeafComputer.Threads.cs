namespace DistributedTrainer.Cluster.Workers;

/// <summary>What each of the threads does, of all that is done at once.</summary>
internal sealed partial class LeafComputer
{
    private readonly ThreadGate _gate;
    private readonly ThreadTeam _team;

    // Made once, since a warm step allocates nothing.
    private readonly Action<int> _gather;
    private readonly Action<int> _train;
    private readonly Action<int> _sum;
    private readonly Action<int> _gatherApart;
    private readonly Action<int> _computeApart;
    private readonly Action<int> _evaluate;
    private readonly Func<bool> _hasProgress;

    // The step that they work on.
    private long _work;

    // What is evaluated: so many shards, of which rows.
    private int _evaluating;
    private bool _withTest;

    /// <summary>Has the threads that have leaves do something, and does the caller's part of it. The others may still be at it when it returns.</summary>
    private void Begin(Action<int> work)
    {
        _team.Begin(_active - 1, work);
        if (_active > 0)
        {
            work(0);
        }
    }

    private void Gather(int thread) => _passes[thread].Gather(_work);

    private void Train(int thread)
    {
        try
        {
            if (_passes[thread].Rows > 0)
            {
                _passes[thread].Train(_work);
            }
        }
        catch
        {
            // The others may wait for this one.
            _meeting.Break();
            throw;
        }
    }

    private void GatherApart(int thread) => _passes[thread].GatherApart(_work);

    private void ComputeApart(int thread)
    {
        if (_passes[thread].Apart >= 0)
        {
            _passes[thread].ComputeApart(_work);
        }
    }

    private void Evaluate(int thread)
    {
        if (thread > 0 && _plan.IsAveraged)
        {
            Parameters.CopyTo(_passes[thread].Parameters);
        }

        for (var i = PartOf(_evaluating, thread, _active); i < PartOf(_evaluating, thread + 1, _active); i++)
        {
            _evaluated[i] = _passes[thread].Evaluate(_shards[i], _withTest);
        }
    }
}
