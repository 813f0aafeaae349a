using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>What follows from evaluations, early stopping and reduce-on-plateau, is the same on every cluster.</summary>
public sealed class EvaluationPolicyTests
{
    // A rate that is too high: the validation loss is best in the middle.
    private static readonly TestExperiment Swinging = new()
    {
        Source = "wine",
        Split = "{ validation: 0.3, test: 0.2 }",
        Layers = ["linear: 64", "relu", "linear: 80", "relu", "linear: 3"],
        Optimizer = "{ kind: adam, learning-rate: 0.02 }",
        Training = "{ epochs: 30, batch-size: 20, shards: 4 }",
        Partitions = 2,
    };

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    public void Early_stopping_ends_after_the_patience_and_restores_the_best_version(int workers, int servers)
    {
        using var whole = new MiniCluster(Swinging.Plan()).With(1);
        whole.Run();
        var (best, last) = Expected(whole.Evaluations.Select(static evaluation => (evaluation.Version, evaluation.Validation.Loss)), patience: 3);
        Assert.True(best > 0 && last < whole.Plan.TotalSteps, $"best {best}, last {last}: the experiment does not show what it should");

        using var stopped = new MiniCluster((Swinging with { Training = "{ epochs: 30, batch-size: 20, shards: 4, early-stopping: { patience: 3 } }" }).Plan(), servers).With(workers);
        var result = stopped.Run();
        Assert.Equal((best, last), (stopped.FinalVersion, stopped.LastVersion));
        var until = (Swinging with { Training = $"{"{"} steps: {best}, batch-size: 20, shards: 4 {"}"}" }).Plan();
        var expected = ReferenceTrainer.Train(until);
        Assert.Equal(expected.Parameters, result.Parameters);
        Assert.Equal(whole.Evaluations.Take(stopped.Evaluations.Count).Select(static e => e.Validation), stopped.Evaluations.Select(static e => e.Validation));
        Assert.All(stopped.Evaluations, static evaluation => Assert.Equal(36, evaluation.Test.Rows));
    }

    [Fact]
    public void Without_restoring_the_last_version_is_the_result()
    {
        using var stopped = new MiniCluster((Swinging with { Training = "{ epochs: 30, batch-size: 20, shards: 4, early-stopping: { patience: 3, restore-best: false } }" }).Plan()).With(2);
        var result = stopped.Run();
        Assert.Equal(stopped.LastVersion, stopped.FinalVersion);
        var until = (Swinging with { Training = $"{"{"} steps: {stopped.LastVersion}, batch-size: 20, shards: 4 {"}"}" }).Plan();
        Assert.Equal(ReferenceTrainer.Train(until).Bits, result.Bits);
    }

    [Fact]
    public void Reduce_on_plateau_lowers_the_rate_of_all_partitions_from_the_step_after_the_evaluation_on()
    {
        var plateau = Swinging with { Optimizer = "{ kind: adam, learning-rate: 0.02, schedule: { kind: reduce-on-plateau, factor: 0.5, patience: 1 } }" };
        var runs = new List<(string Bits, float[] Rates)>();
        foreach (var (workers, servers) in ((int, int)[])[(1, 1), (3, 2)])
        {
            using var cluster = new MiniCluster(plateau.Plan(), servers).With(workers);
            var result = cluster.Run();
            runs.Add((result.Bits, [.. cluster.Rates]));
        }

        Assert.Equal(runs[0].Bits, runs[1].Bits);
        Assert.Equal(runs[0].Rates, runs[1].Rates);
        var rates = runs[0].Rates.Distinct().ToArray();
        Assert.True(rates.Length >= 3, string.Join(' ', rates));
        Assert.Equal([.. rates.Select(static (_, i) => (float)(0.02 * Math.Pow(0.5, i)))], rates);
        var steps = 5;
        Assert.All(runs[0].Rates.Select(static (rate, step) => (rate, step)).GroupBy(static entry => entry.rate), group => Assert.Equal(0, group.First().step % steps));
    }

    [Fact]
    public void A_generation_that_moves_shards_keeps_what_the_evaluations_said()
    {
        var experiment = Swinging with
        {
            Optimizer = "{ kind: adam, learning-rate: 0.02, schedule: { kind: reduce-on-plateau, factor: 0.5, patience: 0 } }",
            Training = "{ epochs: 20, batch-size: 20, shards: 4, early-stopping: { patience: 6 } }",
        };
        using var quiet = new MiniCluster(experiment.Plan()).With(1);
        var expected = quiet.Run();
        using var moving = new MiniCluster(experiment.Plan());
        var workers = Enumerable.Range(0, 3).Select(i => moving.Add($"w{i}")).ToArray();
        var random = new System.Random(5);
        moving.StepApplied = step =>
        {
            if (step % 2 == 0)
            {
                var shards = Enumerable.Range(0, 4).GroupBy(_ => random.Next(3)).ToDictionary(static group => group.Key, static group => group.ToArray());
                moving.Assign([.. workers.Select((worker, i) => (worker, shards.GetValueOrDefault(i, [])))]);
            }
        };
        moving.Do(() => moving.Assign((workers[0], [0, 1, 2, 3]), (workers[1], []), (workers[2], [])));
        Assert.Equal(expected.Bits, moving.Run().Bits);
        Assert.Equal((quiet.FinalVersion, quiet.LastVersion), (moving.FinalVersion, moving.LastVersion));
    }

    private static (long Best, long Last) Expected(IEnumerable<(long Version, double Loss)> evaluations, int patience)
    {
        var (best, lowest, bad) = (0L, double.PositiveInfinity, 0);
        foreach (var (version, loss) in evaluations)
        {
            (best, lowest, bad) = loss < lowest ? (version, loss, 0) : (best, lowest, bad + 1);
            if (bad == patience)
            {
                return (best, version);
            }
        }

        return (best, long.MaxValue);
    }
}
