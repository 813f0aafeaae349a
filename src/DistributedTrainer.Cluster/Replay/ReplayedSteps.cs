using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>The part of a run in mode sync between parts in other modes: whole steps, as one partition and one worker take them.</summary>
internal sealed class ReplayedSteps(TrainingPlan plan, ReplayedState state, ReplayedJudge judge)
{
    private readonly TrainingPlan _plan = plan.With(plan.Experiment with { Training = plan.Experiment.Training with { Mode = TrainingMode.Sync, Staleness = 0 } });
    private readonly LocalExchange _exchange = new(plan.Shards);
    private readonly int[] _shards = [.. Enumerable.Range(0, plan.Shards)];

    /// <summary>Takes steps from that of the state on.</summary>
    /// <param name="end">The first step that is not taken.</param>
    /// <param name="number">Of the first update.</param>
    /// <param name="told">Receives each.</param>
    public void Run(long end, long number, Action<ReplayedUpdate>? told)
    {
        var range = PartitionMap.Cut(_plan.Model.Layout, 1, _plan.Experiment.Optimizer.DecayBiases)[0];
        var vectors = state.State.Select(_ => new AlignedBuffer(range.Length)).ToArray();
        for (var k = 0; k < vectors.Length; k++)
        {
            state.State[k].CopyTo(vectors[k].Span);
        }

        var (current, next, buffer) = (new AlignedBuffer(range.Length), new AlignedBuffer(range.Length), new LeafBuffer(range.Length));
        state.Parameters.CopyTo(current.Span);
        var pass = new UpdatePass(_plan, range, vectors);
        using var computer = new LeafComputer(_plan);
        for (; state.Step < end; state.Step++)
        {
            judge.Evaluate(state);
            var (step, verdict) = (state.Step, judge.Verdict);
            var gradient = Compute(computer, current, step);
            if (verdict.BestVersion == step && step > 0 && _plan.RestoresBest)
            {
                state.Best = current.Span[..range.Length].ToArray();
            }

            var leftOut = gradient.Fault != LeafFault.None || !double.IsFinite(gradient.LossSum);
            if (leftOut && !_plan.SkipsNonFinite)
            {
                throw new InvalidDataException($"the order of updates does not fit the experiment: step {step} is not finite, and the run went on.");
            }

            var norm = Math.Sqrt(gradient.SumOfSquares()) / gradient.Rows;
            if (!leftOut)
            {
                gradient.Values.Span[..range.Length].CopyTo(buffer.Own);
                var scale = _plan.ClipNorm is { } maximum ? GradientNorm.Scale(gradient.SumOfSquares(), gradient.Rows, maximum) : 1;
                pass.Run(step, verdict.Reductions, gradient.Rows, current, buffer, null, next, scale);
                (current, next) = (next, current);
                current.Span[..range.Length].CopyTo(state.Parameters);
            }

            state.Verdict = verdict;
            told?.Invoke(new ReplayedUpdate(number, "all", _shards, step, number, norm, gradient.Rows, gradient.LossSum / gradient.Rows, leftOut));
            number++;
        }

        for (var k = 0; k < vectors.Length; k++)
        {
            vectors[k].Span[..range.Length].CopyTo(state.State[k]);
        }
    }

    private NodeGradient Compute(LeafComputer computer, AlignedBuffer parameters, long step)
    {
        parameters.Span[..computer.Parameters.Length].CopyTo(computer.Parameters);
        computer.BeginStep(step);
        computer.Compute(_shards, step, _exchange, Replayer.NoFlow.Instance);
        return computer.Nodes is [var (_, whole)] ? whole : throw new InvalidOperationException($"replay: step {step} has {computer.Nodes.Count} sums, not one of all its leaves.");
    }
}
