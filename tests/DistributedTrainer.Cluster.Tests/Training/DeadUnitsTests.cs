using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>What a run reports of dead and saturated units.</summary>
public sealed class DeadUnitsTests
{
    // So long a step kills some units of each layer, not all.
    private static readonly TestExperiment Rows = new()
    {
        Split = "{ validation: 0.2, test: 0.2 }",
        Layers = ["linear: 64", "relu", "linear: 40", "tanh", "linear: 30", "batch-norm", "elu", "residual: [ linear: 30, relu ]", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 30, shards: 4 }",
        Optimizer = "{ kind: sgd, learning-rate: 2 }",
    };

    private static readonly TestExperiment Images = new()
    {
        Source = "digits",
        Preprocess = "[ scale: 0.0625 ]",
        Data = ", image: [1, 8, 8]",
        Split = "{ validation: 0.2 }",
        Layers = ["conv2d: { outputs: 12, kernel: 3 }", "relu", "max-pool2d: 2", "flatten", "linear: 24", "relu", "linear: 10"],
        Training = "{ steps: 20, batch-size: 64, shards: 4 }",
        Optimizer = "{ kind: sgd, learning-rate: 1 }",
    };

    public static TheoryData<string> Experiments => ["rows", "images", "test rows"];

    [Theory]
    [MemberData(nameof(Experiments))]
    public void Counts_are_those_of_the_diagnostics_for_any_number_of_workers(string which)
    {
        var experiment = which switch { "rows" => Rows, "images" => Images, _ => Rows with { Split = "{ validation: 0, test: 0.2 }" } };
        var reports = new List<LayerUnits[][]>();
        foreach (var workers in (int[])[1, 2, 4])
        {
            var plan = experiment.Plan();
            using var cluster = new MiniCluster(plan).With(workers);
            var trained = cluster.Run();
            reports.Add([.. cluster.Units]);
            Assert.Equal(reports[0], reports[^1]);

            var rows = plan.UnitRows;
            Assert.Same(which == "test rows" ? plan.Data.Test : plan.Data.Validation, rows);
            var workspace = plan.Model.CreateWorkspace(plan.Loss, 17);
            trained.Parameters.CopyTo(workspace.Parameters);
            trained.Buffers.CopyTo(workspace.Buffers);
            Assert.Equal(
                ModelDiagnostics.Of(plan.Model, workspace, ExamplesOf(rows, plan.Model.Input.Elements)).Activations.Select(static layer => new LayerUnits(layer.Layer, ExperimentNames.Of(layer.Function), layer.Units, layer.Dead, layer.Saturated)),
                reports[^1][^1]);
        }

        Assert.Contains(reports[0][^1], static layer => layer.Dead > 0 && layer.Dead < layer.Units);
    }

    [Fact]
    public void Without_rows_to_evaluate_nothing_is_reported()
    {
        using var cluster = new MiniCluster((Rows with { Split = "none" }).Plan()).With(1);
        cluster.Run();
        Assert.Empty(Assert.Single(cluster.Units));
    }

    private static Examples ExamplesOf(Subset rows, int width)
    {
        var features = new float[rows.Rows * width];
        for (var row = 0; row < rows.Rows; row++)
        {
            rows.CopyRow(row, features.AsSpan(row * width, width));
        }

        return new Examples(features, Enumerable.Range(0, rows.Rows).Select(rows.Label).ToArray());
    }
}
