using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Planning;

public sealed class PlanProblemsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_good_experiment_has_no_problems() => Assert.Empty(Problems(new TestExperiment()));

    [Fact]
    public void Class_weights_name_classes_that_there_are() =>
        Assert.Equal(
            ["loss.class-weights: species has no class 'rose'. Its classes are setosa, versicolor, virginica."],
            Problems(new TestExperiment { Loss = "{ kind: cross-entropy, class-weights: { rose: 2, setosa: 1 } }" }));

    [Fact]
    public void Balanced_weights_become_numbers_that_the_model_keeps()
    {
        var plan = new TestExperiment { Source = "digits", Layers = ["linear: 10"], Loss = "{ kind: cross-entropy, class-weights: balanced }" }.Plan();
        var weights = plan.Experiment.Loss!.ClassWeights!.Weights;
        var rows = new int[10];
        for (var row = 0; row < plan.Data.Training.Rows; row++)
        {
            rows[plan.Data.Training.Label(row)]++;
        }

        Assert.Equal(plan.Data.Dataset.ClassNames, weights.Select(static weight => weight.Class));
        Assert.Equal(rows.Select(static count => 1797.0 / (10 * count)), weights.Select(static weight => weight.Weight));
        Assert.Equal(weights.Select(static weight => (float)weight.Weight), plan.Loss.ClassWeights);
        Assert.Equal(plan.Experiment, ExperimentReader.Read(ExperimentWriter.Write(plan.Experiment), "again.yaml", []).Experiment);
    }

    [Fact]
    public void No_training_rows_are_left() =>
        Assert.Contains(
            Problems(new TestExperiment { Source = Rows(3), Split = "{ validation: 0.4, test: 0.5, stratify: false }" }),
            static problem => problem.StartsWith("data.split: no training rows are left of 3.", StringComparison.Ordinal));

    [Fact]
    public void More_shards_than_training_rows() =>
        Assert.Equal(
            ["training.shards is 6, but there are 5 training rows. Use at most as many shards as rows."],
            Problems(new TestExperiment { Source = Rows(5), Training = "{ epochs: 1, batch-size: 8, shards: 6 }" }));

    [Fact]
    public void A_batch_that_is_larger_than_the_data_and_dropped() =>
        Assert.Contains(
            "no batch would be left",
            Assert.Single(Problems(new TestExperiment { Source = Rows(5), Training = "{ epochs: 1, batch-size: 8, shards: 2, last-batch: drop }" })),
            StringComparison.Ordinal);

    [Fact]
    public void A_share_without_a_row_is_named() =>
        Assert.Equal(
            ["data.split.validation: 0.01 of 20 rows is no row. Raise it, or write 0.", "data.split.test: 0.02 of 20 rows is no row. Raise it, or write 0."],
            Problems(new TestExperiment { Source = Rows(20), Split = "{ validation: 0.01, test: 0.02 }", Training = "{ epochs: 1, batch-size: 8, shards: 2 }" }));

    [Fact]
    public void Classes_do_not_suit_the_mean_squared_error() =>
        Assert.Equal(
            ["loss: mean-squared-error needs numbers as targets, but species holds 3 classes. Write loss: cross-entropy, or data.task: regression."],
            Problems(new TestExperiment { Loss = "mean-squared-error" }));

    [Fact]
    public void Numbers_do_not_suit_the_cross_entropy() =>
        Assert.Contains(
            "loss: cross-entropy needs classes as targets, but progression holds numbers. Write loss: mean-squared-error, or data.task: classification.",
            Problems(new TestExperiment { Source = "diabetes", Layers = ["linear: 1"] }));

    [Fact]
    public void Without_a_loss_that_of_the_data_is_taken()
    {
        Assert.Equal(LossKind.CrossEntropy, Planned(new TestExperiment { Source = Rows(40), Loss = "null" }).Loss!.Kind);
        var numbers = new TestExperiment { Source = Numbers(), Loss = "null", Layers = ["linear: 1"] };
        var planned = Planned(numbers);
        Assert.Equal(LossKind.MeanSquaredError, planned.Loss!.Kind);
        Assert.Contains("\nloss: mean-squared-error\n", ExperimentWriter.Write(planned), StringComparison.Ordinal);
        Assert.Empty(ExperimentCheck.Check(numbers.Yaml, "x.yaml", _folder.Path, [], out var check));
        Assert.Equal(planned, check);
    }

    [Fact]
    public void Without_a_loss_an_accuracy_of_numbers_is_refused_all_the_same()
    {
        var experiment = new TestExperiment { Source = Numbers(), Loss = "null", Layers = ["linear: 1"], Split = "{ validation: 0.2 }" };
        Assert.Equal(
            ["training.early-stopping: a regression has no accuracy. Write metric: validation-loss."],
            Problems(experiment with { Training = "{ epochs: 1, batch-size: 8, shards: 2, early-stopping: { metric: validation-accuracy } }" }));
        Assert.Equal(
            ["tune.metric: a regression has no accuracy. Write metric: validation-loss."],
            ExperimentCheck.Check(experiment.Yaml + "\ntune: { metric: validation-accuracy, ranges: { seed: [1, 2] } }\n", "x.yaml", _folder.Path, [], out _));
    }

    [Fact]
    public void A_perceptron_that_starts_at_zero_never_moves() =>
        Assert.Equal(
            ["model.init.weights: with zeros every score starts at 0, where multiclass-perceptron has no gradient, so nothing would ever be learned. Write he, or loss: multiclass-hinge."],
            Problems(new TestExperiment { Loss = "multiclass-perceptron", Model = "init: { weights: zeros }" }));

    [Fact]
    public void The_last_layer_has_an_output_for_each_class() =>
        Assert.Equal(
            ["model.layers: the last layer has 5 outputs, species has 3 classes (setosa, versicolor, virginica). Write linear: 3 at the end."],
            Problems(new TestExperiment { Layers = ["linear: 5"] }));

    [Fact]
    public void The_last_layer_of_a_regression_has_one_output() =>
        Assert.Equal(
            ["model.layers: the last layer has 2 outputs, a number as target needs 1. Write linear: 1 at the end."],
            Problems(new TestExperiment { Source = "diabetes", Layers = ["linear: 2"], Loss = "mean-squared-error" }));

    [Fact]
    public void Batch_norm_of_a_single_row_is_undefined() =>
        Assert.StartsWith(
            "model.layers: batch-norm needs two rows at least, but a batch of one row occurs (9 training rows, training.batch-size 4).",
            Assert.Single(Problems(new TestExperiment { Source = Rows(9), Layers = ["linear: 2", "batch-norm", "linear: 3"], Training = "{ epochs: 1, batch-size: 4, shards: 2 }" })),
            StringComparison.Ordinal);

    [Fact]
    public void A_dropped_batch_of_one_row_is_no_problem() =>
        Assert.Empty(Problems(new TestExperiment
        {
            Source = Rows(9),
            Layers = ["linear: 2", "batch-norm", "linear: 3"],
            Training = "{ epochs: 1, batch-size: 4, shards: 2, last-batch: drop }",
        }));

    [Fact]
    public void Batch_norm_without_sync_needs_two_rows_in_each_leaf() =>
        Assert.StartsWith(
            "model.layers: batch-norm with sync: false needs two rows in each leaf, but leaves of one row occur.",
            Assert.Single(Problems(new TestExperiment
            {
                Source = Rows(12),
                Layers = ["linear: 2", "batch-norm: { sync: false }", "linear: 3"],
                Training = "{ epochs: 1, batch-size: 5, shards: 3 }",
            })),
            StringComparison.Ordinal);

    [Fact]
    public void All_problems_of_experiment_and_data_are_told_at_once()
    {
        var problems = ExperimentCheck.Check(
            new TestExperiment { Loss = "mean-squared-error", Layers = ["linear: 5"] }.Yaml, "x.yaml", _folder.Path, [], out var experiment);
        Assert.Equal(2, problems.Count);
        Assert.NotNull(experiment);
    }

    private Experiment Planned(TestExperiment experiment) => experiment.Plan(_folder.Path).Experiment;

    private List<string> Problems(TestExperiment experiment)
    {
        var problems = new List<string>();
        var plan = experiment.TryPlan(problems, _folder.Path);
        Assert.Equal(problems.Count > 0, plan is null);
        return problems;
    }

    // A number as the target.
    private string Numbers() => _folder.Write("numbers.csv", "x,t\n" + string.Concat(Enumerable.Range(0, 40).Select(static i => $"{i},{2 * i}.5\n")));

    // Three classes in turn.
    private string Rows(int count) =>
        _folder.Write("rows.csv", "x,y,class\n" + string.Concat(Enumerable.Range(0, count).Select(static i => $"{i},{(i * i) % 7},{"abc"[i % 3]}\n")));
}
