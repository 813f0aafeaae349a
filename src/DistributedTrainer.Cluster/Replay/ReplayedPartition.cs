using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>One partition's log, and its state as far as it was read.</summary>
internal sealed class ReplayedPartition
{
    private readonly TrainingPlan _plan;
    private readonly OrderLog.Reader _log;
    private readonly AlignedBuffer[] _state;
    private readonly UpdatePass _update;
    private readonly LeafBuffer _buffer;
    private AlignedBuffer _current;
    private AlignedBuffer _next;

    public ReplayedPartition(TrainingPlan plan, PartitionRange range, byte[] log, ReplayedState from)
    {
        (_plan, Range, _log) = (plan, range, new OrderLog.Reader(log));
        (_current, _next, _buffer) = (new AlignedBuffer(range.Length), new AlignedBuffer(range.Length), new LeafBuffer(range.Length));
        _state = [.. from.State.Select(_ => new AlignedBuffer(range.Length))];
        from.Parameters.AsSpan(range.Offset, range.Length).CopyTo(_current.Span);
        for (var k = 0; k < _state.Length; k++)
        {
            from.State[k].AsSpan(range.Offset, range.Length).CopyTo(_state[k].Span);
        }

        (Verdict, Best) = (from.Verdict, from.Best?.AsSpan(range.Offset, range.Length).ToArray());
        _update = new UpdatePass(plan, range, _state);
        Steps = new LooseSteps(plan, UpdatePolicy.Of(plan.Experiment.Training), _log.Start);
        Take();
    }

    public PartitionRange Range { get; }

    public LooseSteps Steps { get; }

    /// <summary>What is done next; null: nothing.</summary>
    public OrderLog.Entry? Next { get; private set; }

    public long Generation { get; private set; }

    /// <summary>By the first shard: shards and name.</summary>
    public Dictionary<int, (int[] Shards, string Name)> Members { get; } = [];

    /// <summary>How often each was sent something in this generation.</summary>
    public Dictionary<int, int> Sends { get; } = [];

    public Verdict Verdict { get; private set; }

    /// <summary>The parameters that early stopping may go back to.</summary>
    public float[]? Best { get; private set; }

    public ReadOnlySpan<float> Parameters => _current.Span[..Range.Length];

    /// <summary>Goes on to the next entry.</summary>
    public void Take() => Next = _log.IsAtEnd ? null : _log.Next();

    public void Begin(long generation)
    {
        Generation = generation;
        Members.Clear();
        Sends.Clear();
    }

    public void Judged(long verdict) => Verdict = Verdict.Unpack(verdict);

    /// <summary>As the partition did it.</summary>
    public void Apply(in OrderLog.Entry entry, long step, ReplayedGradient gradient)
    {
        if (Steps.Place(entry.Node, step) != PushPlace.Next)
        {
            throw new InvalidDataException($"the order of updates does not fit the experiment: node {entry.Node} of step {step} is not the next one.");
        }

        if (Verdict.BestVersion == step && step > 0 && _plan.RestoresBest && Steps.IsEven)
        {
            Best = Parameters.ToArray();
        }

        var leftOut = entry.Kind == OrderEvent.LeftOut;
        if (!leftOut)
        {
            gradient.Values.AsSpan(Range.Offset, Range.Length).CopyTo(_buffer.Own);
            _update.Run(step, Verdict.Reductions, gradient.Rows, _current, _buffer, null, _next, updates: Steps.UpdatesBefore(entry.Node));
            (_current, _next) = (_next, _current);
        }

        Steps.Advance(entry.Node, step, gradient.LossSum, gradient.Rows, leftOut);
        while (Steps.TryTell(out _, out _))
        {
            // Nobody is told.
        }
    }

    public void CopyTo(ReplayedState state)
    {
        Parameters.CopyTo(state.Parameters.AsSpan(Range.Offset));
        for (var k = 0; k < _state.Length; k++)
        {
            _state[k].Span[..Range.Length].CopyTo(state.State[k].AsSpan(Range.Offset));
        }

        state.Verdict = Verdict;
        Best?.CopyTo((state.Best ??= new float[state.Parameters.Length]).AsSpan(Range.Offset));
    }
}

/// <summary>The whole state between two sections.</summary>
internal sealed class ReplayedState(float[] parameters, float[][] state)
{
    public float[] Parameters => parameters;

    /// <summary>Of the optimizer.</summary>
    public float[][] State => state;

    public Verdict Verdict { get; set; }

    /// <summary>The parameters that early stopping may go back to; null: there are none.</summary>
    public float[]? Best { get; set; }

    /// <summary>The steps that were repeated.</summary>
    public long Step { get; set; }
}
