using DistributedTrainer.Cluster.Servers;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What the loop waits for: a verdict, a version. A wait that is longer than usual has what was sent repeated.</summary>
internal sealed partial class StepLoop
{
    private readonly RepeatTimer _versionRepeats;
    private readonly RepeatTimer _verdictRepeats;
    private readonly List<(int Shard, EvaluationSums Sums)> _evaluations = [];

    private bool Evaluate(Assign assignment)
    {
        if (_inbox.EvaluatedVersion >= _version)
        {
            return !Changed;
        }

        Record.Begin(_version);
        _clock.Begin();
        _evaluations.Clear();
        _computer.Evaluate(assignment.Shards, _plan.EvaluatesTestAt(_version), _evaluations);

        _clock.Evaluated();
        _events.Pauses();
        CrashPoint.Reach("worker.evaluating", _version);
        var generation = assignment.Generation.Value;
        PushEvaluations(generation);
        BeginWait(_isEvaluated, _verdictRepeats);
        while (Await(_isEvaluated, _verdictRepeats) is var outcome && outcome != WaitOutcome.Arrived)
        {
            if (outcome == WaitOutcome.BrokenOff)
            {
                return false;
            }

            // Some numbers for each shard: sending them again costs less than asking whether they have come.
            PushEvaluations(generation);
            _links.AskLead(generation, _version);
            _verdictRepeats.Repeated();
        }

        return !Changed;
    }

    private void PushEvaluations(long generation)
    {
        foreach (var (shard, sums) in _evaluations)
        {
            _links.PushEvaluation(generation, _version, shard, sums);
        }
    }

    /// <param name="version">The next version, or one further ahead that all partitions have.</param>
    /// <param name="generation">The assignment.</param>
    /// <param name="pushed">Whether the leaves of the step before it were pushed.</param>
    private bool MoveTo(long version, long generation, bool pushed)
    {
        if (!Have(version, generation, pushed))
        {
            return false;
        }

        _residuals?.Advance(version, _inbox.IsSkipped);

        // Only where each worker goes at its own pace can there be steps that others have taken for it.
        version += _inbox.Skips;
        Volatile.Write(ref _version, version);
        _computer.BeginStep(version, _inbox.IsApart);
        return true;
    }

    /// <summary>Whether the version that the loop holds was read where it lay, is given back, and is needed: for leaves that came with an assignment.</summary>
    private bool LacksParameters(int[] shards) =>
        _computer.Reader.LacksParameters && ((_plan.EvaluatesAt(_version) && _inbox.EvaluatedVersion < _version) || _computer.Lacks(shards, _version));

    /// <summary>Has a version come to where the model computes: the next one, or once more the one that the loop holds, and then what was computed with it stays.</summary>
    private bool Have(long version, long generation, bool pushed)
    {
        _links.Pull(generation, version);
        BeginWait(_isWhole, _versionRepeats);
        if (!AwaitVersion(_isWhole, version, generation, pushed))
        {
            return false;
        }

        _clock.Waited();
        _inbox.CopyTo(_computer.Parameters, _computer.Buffers, _computer.State);
        return true;
    }

    /// <summary>Waits for a version, or a part of it. False: the assignment changed, or a link broke.</summary>
    private bool AwaitVersion(Func<bool> arrived, long version, long generation, bool pushed)
    {
        while (Await(arrived, _versionRepeats) is var outcome && outcome != WaitOutcome.Arrived)
        {
            switch (outcome)
            {
                case WaitOutcome.BrokenOff:
                    return false;
                case WaitOutcome.Answered when _links.SendLost(generation, version, pushed ? _computer.Nodes : [], _pushReports):
                    _versionRepeats.Mended();
                    break;
                case WaitOutcome.Late:
                    _links.Ask(generation, version);
                    _versionRepeats.Repeated();
                    break;
            }
        }

        return !Changed;
    }

    private void BeginWait(Func<bool> arrived, RepeatTimer repeats)
    {
        repeats.Begin();
        _alert.Until(arrived);
    }

    /// <summary>Waits for it.</summary>
    private WaitOutcome Await(Func<bool> arrived, RepeatTimer repeats)
    {
        lock (_inbox.Gate)
        {
            while (!arrived())
            {
                if (Changed || _inbox.Broken is not null)
                {
                    return WaitOutcome.BrokenOff;
                }

                if (_inbox.HasAnswers)
                {
                    return WaitOutcome.Answered;
                }

                if (repeats.Remaining is var remaining && remaining == TimeSpan.Zero)
                {
                    return WaitOutcome.Late;
                }

                Monitor.Wait(_inbox.Gate, remaining < StepClock.Slice ? remaining : StepClock.Slice);
                _clock.Looked();
            }
        }

        repeats.End();
        return WaitOutcome.Arrived;
    }

    private enum WaitOutcome
    {
        Arrived,

        /// <summary>The assignment changed, or a link broke.</summary>
        BrokenOff,

        /// <summary>A server has answered a question.</summary>
        Answered,

        /// <summary>It takes longer than usual.</summary>
        Late,
    }
}
