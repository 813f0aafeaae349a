using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What a shard's validation and test rows give, as workers send it: sums, and marks of the units of activation layers.</summary>
/// <param name="units">Units of the model.</param>
internal sealed class EvaluationSums(int units)
{
    private const int Sums = 6 * sizeof(double);

    /// <summary>Adds the right sibling in the fixed tree.</summary>
    public static void Add(EvaluationSums left, EvaluationSums right)
    {
        for (var i = 0; i < left.Values.Length; i++)
        {
            left.Values[i] += right.Values[i];
        }

        for (var unit = 0; unit < left.Units.Length; unit++)
        {
            left.Units[unit] |= right.Units[unit];
        }
    }

    /// <summary>All of it, as it travels.</summary>
    public byte[] Payload { get; } = new byte[BytesFor(units)];

    /// <summary>Validation loss, right answers, rows; then the same of the test rows. Counts below 2^53 are exact.</summary>
    public Span<double> Values => MemoryMarshal.Cast<byte, double>(Payload.AsSpan(0, Sums));

    /// <summary>A byte for each unit, see <see cref="ActivationSlot"/>.</summary>
    public Span<byte> Units => Payload.AsSpan(Sums);

    public SetSums Validation => new(Values[0], (long)Values[1], (long)Values[2]);

    public SetSums Test => new(Values[3], (long)Values[4], (long)Values[5]);

    /// <summary>How many bytes they are.</summary>
    public static int BytesFor(int units) => Sums + units;
}

/// <summary>What an evaluation led to.</summary>
/// <param name="Version">The version that was evaluated.</param>
/// <param name="Sums">Of all shards.</param>
/// <param name="Units">The activation layers over the rows of <see cref="TrainingPlan.UnitRows"/>; empty where they were not evaluated.</param>
/// <param name="BestVersion">The best one so far.</param>
/// <param name="Last">Whether training ends here.</param>
internal sealed record EvaluationOutcome(long Version, EvaluationSums Sums, LayerUnits[] Units, long BestVersion, bool Last);

/// <summary>Gathers the evaluation of one parameter version over all shards, judges it, and lets the workers go on.</summary>
internal sealed class EvaluationBoard
{
    /// <summary>In the flags of a verdict: training ends with this version, be it for now.</summary>
    public const byte StopFlag = 1;

    private readonly TrainingPlan _plan;
    private readonly Action<EvaluationOutcome> _evaluated;
    private readonly EvaluationJudge _judge;
    private readonly object _gate = new();
    private readonly TreeGather<EvaluationSums> _gather;
    private readonly List<IChannel> _waiting = [];
    private Judgement _before;
    private long _version = -1;
    private bool _done;

    /// <param name="plan">The run.</param>
    /// <param name="evaluated">Told of each outcome.</param>
    /// <param name="judgement">What was judged before; null: nothing.</param>
    public EvaluationBoard(TrainingPlan plan, Action<EvaluationOutcome> evaluated, Judgement? judgement = null)
    {
        (_plan, _evaluated, _judge) = (plan, evaluated, new EvaluationJudge(plan));
        _gather = new TreeGather<EvaluationSums>(new FixedTree(plan.Shards), EvaluationSums.Add, static _ => { });
        if (judgement is not null)
        {
            _judge.Memory = judgement;
        }

        _before = _judge.Memory;
    }

    /// <summary>What was judged of the versions before this one, which is the last that may have been evaluated.</summary>
    public Judgement JudgementBefore(long version)
    {
        lock (_gate)
        {
            return _version == version ? _before : _judge.Memory;
        }
    }

    /// <summary>A place for a shard's evaluation; null where the frame holds none of this run.</summary>
    public EvaluationSums? Reserve(in FrameHeader frame) =>
        frame.PayloadBytes == EvaluationSums.BytesFor(_plan.Model.Units) && frame.Level == 0 && frame.Index >= 0 && frame.Index < _plan.Shards
            ? new EvaluationSums(_plan.Model.Units)
            : null;

    /// <summary>
    /// The answer to a worker that evaluates what the others have evaluated already. Another partition may still gather
    /// that step, so that the worker needs the same verdict as they had.
    /// </summary>
    public FrameHeader Late(in FrameHeader frame)
    {
        lock (_gate)
        {
            return frame.Step == _version && _done ? VerdictOn(frame) : NoVerdict(frame);
        }
    }

    public void Complete(IChannel channel, in FrameHeader frame, EvaluationSums sums)
    {
        CrashPoint.Reach("server.evaluation", frame.Step);
        lock (_gate)
        {
            if (frame.Step < _version)
            {
                return;
            }

            if (frame.Step > _version)
            {
                _version = frame.Step;
                _done = false;
                _before = _judge.Memory;
                _waiting.Clear();
                _gather.Reset(static _ => true);
            }

            _gather.Offer(TreeNode.OfLeaf(frame.Index), sums);
            if (!_waiting.Contains(channel))
            {
                _waiting.Add(channel);
            }

            if (_gather.Total is not { } total)
            {
                return;
            }

            if (!_done)
            {
                _done = true;
                _judge.Judge(_version, total);

                // Before anybody can take a step that follows it.
                _evaluated(new EvaluationOutcome(_version, total, UnitsOf(total), _judge.Verdict.BestVersion, _judge.Stops || _version == _plan.TotalSteps));
            }

            var verdict = VerdictOn(frame);
            foreach (var waiting in _waiting)
            {
                waiting.Post(verdict, new OwnBytes([]));
            }

            _waiting.Clear();
        }
    }

    /// <summary>A closed channel waits for nothing.</summary>
    public void Forget(IChannel channel)
    {
        lock (_gate)
        {
            _waiting.Remove(channel);
        }
    }

    /// <summary>The answer where nothing follows: the worker may go on.</summary>
    public static FrameHeader NoVerdict(in FrameHeader frame) => frame with { Kind = FrameKind.Verdict, Count = 0, Flags = 0, PayloadBytes = 0 };

    private LayerUnits[] UnitsOf(EvaluationSums total)
    {
        var seen = _plan.Data.Validation.Rows > 0 ? total.Validation.Rows : total.Test.Rows;
        return seen == 0 ? [] : [.. _plan.Model.Activations.Select(slot => new LayerUnits(
            slot.Layer, ExperimentNames.Of(slot.Function), slot.Units, slot.DeadIn(total.Units), slot.SaturatedIn(total.Units)))];
    }

    private FrameHeader VerdictOn(in FrameHeader frame) =>
        frame with { Kind = FrameKind.Verdict, Count = _judge.Verdict.Packed, Flags = _judge.Stops || _plan.PausesAt(frame.Step) ? StopFlag : (byte)0, PayloadBytes = 0 };
}
