using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Tests.Planning;

/// <summary>Models that are read back from a run's folder.</summary>
public sealed class SavedModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_knows_its_columns_classes_layers_and_weights()
    {
        var (model, parameters) = Saved(new TestExperiment { Layers = ["linear: 8", "batch-norm", "tanh", "linear: 3"] });

        Assert.Equal(["setosa", "versicolor", "virginica"], model.ClassNames);
        Assert.Equal("species", model.TargetName);
        Assert.Equal("cross-entropy", model.Loss.Name);
        Assert.True(parameters.AsSpan().SequenceEqual(model.Network.Parameters));
        Assert.Equal(
            ["0 linear 8 40", "1 batch-norm 8 16", "2 tanh 8 0", "3 linear 3 27"],
            model.Layers.Select(static layer => $"{layer.Place} {layer.Kind} {layer.Output} {layer.Parameters}"));
    }

    [Fact]
    public void The_rows_of_a_set_are_those_that_the_run_had()
    {
        var experiment = new TestExperiment { Split = "{ validation: 0.1, test: 0.2 }" };
        var (plan, problems) = (experiment.Plan(), new List<string>());
        var (model, _) = Saved(experiment);
        foreach (var (set, subset) in ((RowSet, Data.Subset)[])[(RowSet.Training, plan.Data.Training), (RowSet.Validation, plan.Data.Validation), (RowSet.Test, plan.Data.Test)])
        {
            var examples = model.ReadExamples("iris", ".", set, problems)!;
            Assert.Equal(Enumerable.Range(0, subset.Rows).Select(subset.Label), examples.Labels.ToArray());
            var row = new float[4];
            subset.CopyRow(subset.Rows - 1, row);
            Assert.True(examples.Features.Span[^4..].SequenceEqual(row));
        }

        Assert.Empty(problems);
        Assert.Equal(150, model.ReadExamples("iris", ".", RowSet.All, problems)!.Labels.Length);
    }

    [Fact]
    public void A_set_that_the_experiment_does_not_keep_is_refused()
    {
        var problems = new List<string>();
        Assert.Null(Saved(new TestExperiment()).Model.ReadExamples("iris", ".", RowSet.Test, problems));
        Assert.Equal(["--rows: the model's experiment keeps no test rows of iris. Name the source that holds them, or write --rows all."], problems);
    }

    [Fact]
    public void A_model_of_images_takes_rows_of_pixels()
    {
        var (model, _) = Saved(new TestExperiment { Source = "digits", Data = ", image: [1, 8, 8]", Preprocess = "[ scale: 0.0625 ]", Layers = ["conv2d: { outputs: 2, kernel: 3 }", "flatten", "linear: 10"] });
        Assert.Equal("1x8x8", model.Network.Model.Input.ToString());
        var problems = new List<string>();
        Assert.Equal(1797 * 64, model.ReadFeatures("digits", ".", problems)!.Length);
        Assert.Empty(problems);
    }

    [Fact]
    public void What_is_no_model_of_a_run_is_named()
    {
        var foreign = Path.Combine(_folder.Path, "foreign.safetensors");
        using (var stream = File.Create(foreign))
        {
            SafeTensors.Write(stream, [], new Dictionary<string, string> { ["format"] = "pt" });
        }

        File.WriteAllText(Path.Combine(_folder.Path, "text.safetensors"), "no model");
        Assert.Equal([$"{foreign}: the metadata lacks dtrain.experiment, dtrain.preprocess, dtrain.target, dtrain.classes. Name a model.safetensors that dtrain train has written."], Problems(foreign));
        Assert.Contains("the model cannot be read: safetensors:", Assert.Single(Problems(Path.Combine(_folder.Path, "text.safetensors"))), StringComparison.Ordinal);
        Assert.Contains("there is no model.safetensors in the folder", Assert.Single(Problems(_folder.Path)), StringComparison.Ordinal);
        Assert.Contains("there is no such file", Assert.Single(Problems(Path.Combine(_folder.Path, "nothing"))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_fold_is_the_split_of_its_experiment()
    {
        var rows = Enumerable.Range(1, 3).Select(static fold =>
        {
            var data = new TestExperiment { Split = "{ test: 0.2 }", Data = $", folds: 3, fold: {fold}" }.Plan().Data;
            return (data.Training.Rows, data.Validation.Rows, data.Test.Rows);
        }).ToArray();
        Assert.Equal([(80, 40, 30), (80, 40, 30), (80, 40, 30)], rows);
    }

    [Fact]
    public void Folds_without_a_choice_are_for_tune()
    {
        var problems = new List<string>();
        Assert.Null(new TestExperiment { Split = "none", Data = ", folds: 5" }.TryPlan(problems));
        Assert.Equal(["data.folds: one training run cannot hold out 5 parts in turn. Run dtrain tune for cross-validation, or choose one part with data.fold: 1."], problems);
    }

    [Theory]
    [InlineData("linear: 8", "relu", "linear: 3")]
    [InlineData("linear: 8", "batch-norm", "tanh", "residual: [ linear: 8, gelu ]", "dropout: 0.2", "linear: 3")]
    public void The_gradients_of_an_experiment_pass_on_its_own_data(params string[] layers)
    {
        var problems = new List<string>();
        var experiment = new TestExperiment { Layers = layers }.Plan().Experiment;
        var result = ExperimentGradients.Check(experiment, ".", 8, problems)!;
        Assert.Empty(problems);
        Assert.True(result.Passed, string.Join('\n', result.Parameters));
        Assert.All(result.Parameters, static parameter => Assert.True(parameter.Checked > 0));
    }

    [Fact]
    public void One_row_alone_cannot_be_normalised()
    {
        var problems = new List<string>();
        Assert.Null(ExperimentGradients.Check(new TestExperiment { Layers = ["batch-norm", "linear: 3"] }.Plan().Experiment, ".", 1, problems));
        Assert.StartsWith("--rows: batch-norm needs two rows", Assert.Single(problems), StringComparison.Ordinal);
    }

    private (SavedModel Model, float[] Parameters) Saved(TestExperiment experiment)
    {
        var (plan, path) = (experiment.Plan(), Path.Combine(_folder.Path, "run"));
        var (parameters, buffers) = (new float[plan.Model.Layout.Length], new float[plan.Model.Buffers.Length]);
        plan.Initialize(parameters, buffers);
        using (var folder = RunFolder.Create(path, experiment.Yaml))
        {
            folder.Model(plan, parameters, buffers);
        }

        var problems = new List<string>();
        var model = SavedModel.Load(path, problems);
        Assert.Empty(problems);
        return (model!, parameters);
    }

    private static List<string> Problems(string path)
    {
        var problems = new List<string>();
        Assert.Null(SavedModel.Load(path, problems));
        return problems;
    }
}
