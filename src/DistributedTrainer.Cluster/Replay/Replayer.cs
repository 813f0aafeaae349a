using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>
/// Repeats a run in which each push was an update of its own, in one thread: every partition goes along its log, and waits
/// where it needs a gradient whose parameters another partition has not reached yet. Where the run was sync, whole steps are
/// taken. The bits are those of the run.
/// </summary>
internal sealed class Replayer(TrainingPlan plan, IReadOnlyList<OrderSection> sections)
{
    private readonly Dictionary<(long Generation, int Member, int Send), ReplayedBase> _bases = [];
    private readonly LocalExchange _exchange = new(plan.Shards);
    private ReplayedPartition[] _partitions = [];
    private long _updates;

    /// <summary>Repeats it to its end, or until every leaf before a step was applied.</summary>
    /// <param name="until">The step.</param>
    /// <param name="told">Receives each update of the lead partition.</param>
    /// <exception cref="InvalidDataException">The logs fit neither each other nor the experiment.</exception>
    public ReplayedState Run(long until = long.MaxValue, Action<ReplayedUpdate>? told = null)
    {
        if (sections.Count == 0 || sections[0].From != 0)
        {
            throw new InvalidDataException(sections.Count == 0 ? "there is no order of updates." : $"the order of updates begins at step {sections[0].From}: what was before it is not there any more.");
        }

        var length = plan.Model.Layout.Length;
        var state = new ReplayedState(new float[length], [.. Enumerable.Range(0, plan.Optimizer.StateVectors).Select(_ => new float[length])]);
        plan.Initialize(state.Parameters, new float[plan.Model.Buffers.Length]);

        // Whoever takes whole steps has to know what the evaluations before them said; updates in an order of their own have it in their log.
        using var judge = sections.Any(static section => section.IsSync) ? new ReplayedJudge(plan) : null;
        for (var i = 0; i < sections.Count && sections[i].From < until; i++)
        {
            var section = sections[i];
            var ranges = PartitionMap.Cut(plan.Model.Layout, Math.Max(1, section.Logs.Length), plan.Experiment.Optimizer.DecayBiases);
            if (section.From != state.Step || (!section.IsSync && ranges.Count != section.Logs.Length))
            {
                throw new InvalidDataException($"the order of updates from step {section.From} on, of {section.Logs.Length} partitions, does not follow on step {state.Step}.");
            }

            if (section.IsSync)
            {
                var end = Math.Min(until, i + 1 < sections.Count ? sections[i + 1].From : plan.TotalSteps);
                new ReplayedSteps(plan, state, judge!).Run(end, _updates, told);
                _updates += state.Step - section.From;
            }
            else
            {
                // What is not sync computes with gradients that each worker clips by itself.
                var loose = plan.With(OrderSection.TrainedLast(plan.Experiment, [section]));
                using var computer = new LeafComputer(loose);
                _bases.Clear();
                _partitions = [.. ranges.Select(range => new ReplayedPartition(loose, range, section.Logs[range.Id], state))];
                RepeatJudged(computer, until, state, judge, told);
            }
        }

        return state;
    }

    /// <summary>Up to each version that was evaluated, where all partitions have waited for each other; then up to the end.</summary>
    private void RepeatJudged(LeafComputer computer, long until, ReplayedState state, ReplayedJudge? judge, Action<ReplayedUpdate>? told)
    {
        while (true)
        {
            var next = judge?.Evaluate(state) ?? long.MaxValue;
            Repeat(computer, Math.Min(until, next), told);
            Array.ForEach(_partitions, partition => partition.CopyTo(state));
            state.Step = _partitions.Min(static partition => partition.Steps.Slowest);
            if (state.Step < next || state.Step >= until)
            {
                return;
            }

            if (Array.Exists(_partitions, partition => !partition.Steps.IsEven || partition.Steps.Slowest != next))
            {
                throw new InvalidDataException($"the order of updates does not fit the experiment: version {next} was evaluated, but not all partitions were at it.");
            }
        }
    }

    private void Repeat(LeafComputer computer, long until, Action<ReplayedUpdate>? told)
    {
        while (_partitions.Any(partition => IsUnfinished(partition, until)))
        {
            var moved = false;
            foreach (var partition in _partitions)
            {
                while (IsUnfinished(partition, until) && TryStep(partition, computer, told))
                {
                    moved = true;
                }
            }

            // One that is far enough may have to go on for the others.
            if (!moved && !Array.Exists(_partitions, partition => partition.Next is not null && !IsUnfinished(partition, until) && TryStep(partition, computer, told)))
            {
                throw new InvalidDataException("the order of updates is not whole: partitions wait for each other.");
            }
        }
    }

    private static bool IsUnfinished(ReplayedPartition partition, long until) => partition.Next is not null && partition.Steps.Slowest < until;

    private bool TryStep(ReplayedPartition partition, LeafComputer computer, Action<ReplayedUpdate>? told)
    {
        var entry = partition.Next!.Value;
        switch (entry.Kind)
        {
            case OrderEvent.Generation:
                foreach (var (member, sends) in partition.Sends)
                {
                    Close(partition.Generation, member, sends);
                }

                partition.Begin(entry.Value);
                break;
            case OrderEvent.Member:
                partition.Members[entry.Member] = (entry.Shards, entry.Name);
                break;
            case OrderEvent.Judged:
                partition.Judged(entry.Value);
                break;
            case OrderEvent.Sent or OrderEvent.SentApart:
                Send(partition, entry);
                break;
            default:
                return TryApply(partition, entry, computer, told);
        }

        partition.Take();
        return true;
    }

    private void Send(ReplayedPartition partition, in OrderLog.Entry entry)
    {
        var (shards, name) = partition.Members.TryGetValue(entry.Member, out var member) ? member : throw Unknown(entry.Member);
        var send = partition.Sends.GetValueOrDefault(entry.Member) + 1;
        partition.Sends[entry.Member] = send;
        Close(partition.Generation, entry.Member, send - 1);
        var key = (partition.Generation, entry.Member, send);
        if (!_bases.TryGetValue(key, out var parts))
        {
            _bases.Add(key, parts = new ReplayedBase(shards, name, plan.Model.Layout.Length, _partitions.Length));
        }

        partition.Parameters.CopyTo(parts.Parameters.AsSpan(partition.Range.Offset));
        parts.Missing--;
        parts.Step = Math.Min(parts.Step, partition.Steps.NextOf(shards));
        parts.Apart |= entry.Kind == OrderEvent.SentApart;
        parts.Version = partition.Range.Id == 0 ? _updates : parts.Version;
    }

    private bool TryApply(ReplayedPartition partition, in OrderLog.Entry entry, LeafComputer computer, Action<ReplayedUpdate>? told)
    {
        if (!_bases.TryGetValue((partition.Generation, entry.Member, partition.Sends.GetValueOrDefault(entry.Member)), out var parts))
        {
            throw Unknown(entry.Member);
        }

        if (parts.Missing > 0)
        {
            return false;
        }

        parts.Gradients ??= Compute(parts, computer);
        if (!parts.Gradients.TryGetValue(entry.Node, out var gradient))
        {
            throw new InvalidDataException($"the order of updates does not fit the experiment: {parts.Worker} pushes no node {entry.Node} in step {parts.Step}.");
        }

        var node = entry.Node;
        partition.Apply(entry, parts.Step, gradient);
        partition.Take();
        if (partition.Range.Id == 0)
        {
            told?.Invoke(new ReplayedUpdate(
                _updates, parts.Worker, [.. Enumerable.Range(node.FirstLeaf, 1 << node.Level).Where(shard => shard < plan.Shards && plan.Schedule.LeafRows(parts.Step, shard) > 0)],
                parts.Step, parts.Version, gradient.Norm, gradient.Rows, gradient.LossSum / gradient.Rows, entry.Kind == OrderEvent.LeftOut));
            _updates++;
        }

        return true;
    }

    private Dictionary<Engine.Reduction.TreeNode, ReplayedGradient> Compute(ReplayedBase parts, LeafComputer computer)
    {
        parts.Parameters.CopyTo(computer.Parameters);
        computer.BeginStep(parts.Step, parts.Apart);
        computer.Compute(parts.Shards, parts.Step, _exchange, NoFlow.Instance);
        return computer.Nodes.ToDictionary(static pushed => pushed.Node, static pushed => new ReplayedGradient(
            pushed.Gradient.Values.Span.ToArray(), pushed.Gradient.LossSum, pushed.Gradient.Rows, pushed.Gradient.Fault, Math.Sqrt(pushed.Gradient.SumOfSquares()) / pushed.Gradient.Rows));
    }

    /// <summary>A partition has sent the member something newer; once all have, nobody needs it.</summary>
    private void Close(long generation, int member, int send)
    {
        if (_bases.TryGetValue((generation, member, send), out var parts) && ++parts.Closed == _partitions.Length)
        {
            _bases.Remove((generation, member, send));
        }
    }

    /// <summary>All parameters are there, and gradients stay.</summary>
    internal sealed class NoFlow : IVersionFlow
    {
        public static readonly NoFlow Instance = new();

        public bool Overlaps => false;

        public bool IsArriving => false;

        public void Await(int end)
        {
        }

        public void Turn()
        {
        }

        public void Done(int start)
        {
        }
    }

    private static InvalidDataException Unknown(int member) => new($"the order of updates is damaged: nobody has shard {member} first.");
}
