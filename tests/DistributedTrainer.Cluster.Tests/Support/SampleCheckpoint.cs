using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Checkpoints of made-up numbers that fit a plan, each step with its own.</summary>
internal static class SampleCheckpoint
{
    public static Checkpoint Of(TrainingPlan plan, long step)
    {
        var best = plan.RestoresBest ? step - 1 : 0;
        var checkpoint = new Checkpoint(new CheckpointManifest
        {
            FormatVersion = CheckpointManifest.Format,
            Experiment = plan.Experiment.Name,
            ExperimentSha256 = ExperimentIdentity.Sha256(plan.Experiment),
            InputsSha256 = plan.InputsSha256,
            Step = step,
            Epoch = step / plan.Schedule.StepsPerEpoch,
            StepInEpoch = step % plan.Schedule.StepsPerEpoch,
            Generation = 4,
            Parameters = plan.Model.Layout.Length,
            RunningStatistics = plan.Model.Buffers.Length,
            StateVectors = plan.Optimizer.StateVectors,
            Verdict = new Verdict(2, best).Packed,
            Judgement = new Judgement(0.25, 1, 2, 2, null, best, 3),
            Progress = new ProgressMemory(12.5, [new Recovery(2, "s0 died", 0.75, 3)], new EvaluatedVersion(1, new SetSums(1.5, 2, 3), null, [new LayerUnits("1", "relu", 8, null, 3)]), null),
            Files = [],
        });
        var random = new Random((int)step);
        Fill(checkpoint.Parameters);
        Fill(checkpoint.RunningStatistics);
        Array.ForEach(checkpoint.State, Fill);
        if (best > 0)
        {
            checkpoint.Best = new FlatVersion(new float[checkpoint.Parameters.Length], new float[checkpoint.RunningStatistics.Length]);
            Fill(checkpoint.Best.Parameters);
            Fill(checkpoint.Best.RunningStatistics);
        }

        return checkpoint;

        void Fill(float[] values)
        {
            foreach (ref var value in values.AsSpan())
            {
                value = (float)(random.NextDouble() - 0.5);
            }
        }
    }

    public static void Same(Checkpoint expected, Checkpoint? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected.Step, actual.Step);
        Assert.Equal(expected.Parameters, actual.Parameters);
        Assert.Equal(expected.RunningStatistics, actual.RunningStatistics);
        Assert.Equal(expected.State, actual.State);
        Assert.Equal(expected.Best?.Parameters, actual.Best?.Parameters);
        Assert.Equal(expected.Best?.RunningStatistics, actual.Best?.RunningStatistics);
        Assert.Equal(expected.Manifest.ToJson(), (actual.Manifest with { Files = [] }).ToJson());
    }
}
