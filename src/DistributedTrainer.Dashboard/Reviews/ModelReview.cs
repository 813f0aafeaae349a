using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Metrics;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Dashboard.Reviews;

/// <summary>
/// Looks at the model of a run: its layers, and how it does on held-back rows. Reads the run's files and its data, computes
/// with the engine alone, in the thread that asks.
/// </summary>
internal static class ModelReview
{
    private const int MostWrong = 60;

    // Passes through the network with more multiplications than this take seconds: not without being asked.
    private const double Quick = 2e9;

    /// <summary>The layers; null where the problems say why not.</summary>
    public static ModelPage? Layers(string directory, ICollection<string> problems)
    {
        if (File.Exists(SavedModel.FileOf(directory)))
        {
            return SavedModel.Load(directory, problems) is { } model ? Page(model.Layers) : null;
        }

        return Experiment(directory, problems) is { } experiment && ExperimentSize.Of(experiment, directory, problems) is { } size ? Page(size.Layers) : null;
    }

    /// <summary>Evaluates the model: the result, or the newest checkpoint of a run that goes on.</summary>
    /// <param name="directory">The run.</param>
    /// <param name="quickOnly">Whether to do nothing where it would take long.</param>
    /// <param name="problems">Receives why there is nothing.</param>
    /// <param name="cancel">Checked between the steps.</param>
    public static ReviewPage? Evaluate(string directory, bool quickOnly, ICollection<string> problems, CancellationToken cancel = default)
    {
        // Its paths are absolute; those in the model's own metadata are as the user wrote them.
        if (Experiment(directory, problems) is not { } experiment)
        {
            return null;
        }

        var (model, name) = File.Exists(SavedModel.FileOf(directory))
            ? (SavedModel.Load(directory, problems), "model.safetensors")
            : SavedModel.OfCheckpoint(directory, experiment, problems) is var (ofCheckpoint, step) ? (ofCheckpoint, $"the checkpoint of step {step}") : (null, "");
        cancel.ThrowIfCancellationRequested();
        if (model is null || Read(model, experiment.Data, problems) is not var (known, rows))
        {
            return null;
        }

        if (quickOnly && (double)known.Rows.Count * model.Network.Parameters.Length > Quick)
        {
            problems.Add("Not computed at the end of the run, since it takes a while.");
            return null;
        }

        cancel.ThrowIfCancellationRequested();
        return Page(model, known, rows, name);
    }

    private static ModelPage Page(IReadOnlyList<LayerSummary> layers) =>
        new([.. layers.Select(static layer => new LayerRow(layer.Place, layer.Kind, layer.Output.ToString(), layer.Parameters))], layers.Sum(static layer => (long)layer.Parameters));

    private static Experiment? Experiment(string directory, ICollection<string> problems)
    {
        const string Name = "experiment.yaml";
        var result = ExperimentReader.Read(File.ReadAllText(Path.Combine(directory, Name)), Name, []);
        foreach (var problem in result.Problems)
        {
            problems.Add(problem.ToString());
        }

        return result.Experiment;
    }

    /// <summary>The validation rows, or the test rows where there are none.</summary>
    private static (KnownExamples Examples, string Name)? Read(SavedModel model, DataOptions data, ICollection<string> problems)
    {
        (string Source, RowSet Rows, string Name)? choice =
            data.ValidationSource is { } validation ? (validation, RowSet.All, $"all rows of {validation}")
            : data.Folds is not null || data.Split is { Validation: > 0 } ? (data.Source, RowSet.Validation, $"validation rows of {data.Source}")
            : data.TestSource is { } test ? (test, RowSet.All, $"all rows of {test}")
            : data.Split is { Test: > 0 } ? (data.Source, RowSet.Test, $"test rows of {data.Source}")
            : null;
        if (choice is not { } chosen)
        {
            problems.Add("The experiment holds no rows back: data.split says how many are kept for validation.");
            return null;
        }

        return model.ReadKnown(chosen.Source, Directory.GetCurrentDirectory(), chosen.Rows, problems) is { } known ? (known, chosen.Name) : null;
    }

    private static ReviewPage Page(SavedModel model, KnownExamples known, string rows, string name)
    {
        var evaluation = model.Network.Evaluate(known.Examples, model.Loss);
        if (evaluation.Confusion is not { } confusion)
        {
            return new ReviewPage(rows, name, evaluation.Rows, evaluation.Loss, null, [], [], [], [], evaluation.Regression?.RSquared, null, [], 0);
        }

        var classes = Enumerable.Range(0, confusion.Classes).ToArray();
        var shape = model.Preprocessor.InputShape;
        int[]? image = shape.Rank == 3 ? [shape[0], shape[1], shape[2]] : null;
        var wrong = Wrong(model.Network, known, confusion, out var count);
        return new ReviewPage(
            rows, name, evaluation.Rows, evaluation.Loss, evaluation.Accuracy, model.ClassNames,
            [.. classes.Select(label => (long[])[.. classes.Select(predicted => confusion[label, predicted])])],
            [.. classes.Select(confusion.Precision)], [.. classes.Select(confusion.Recall)], null, image,
            image is null ? wrong : WithPixels(wrong, known), count);
    }

    private static WrongRow[] Wrong(Network network, KnownExamples known, ConfusionMatrix confusion, out int count)
    {
        var features = known.Examples.Features.Span;
        var labels = known.Examples.Labels.Span;
        var predicted = network.PredictClasses(features);
        var sureness = Probabilities(network, features);
        var rows = new List<WrongRow>();
        for (var i = 0; i < predicted.Length; i++)
        {
            if (predicted[i] != labels[i])
            {
                var probability = sureness.Length == predicted.Length * confusion.Classes ? sureness[(i * confusion.Classes) + predicted[i]] : double.NaN;
                rows.Add(new WrongRow(known.Rows[i], labels[i], predicted[i], probability, null));
            }
        }

        count = rows.Count;
        return [.. rows.OrderByDescending(static row => row.Probability).ThenBy(static row => row.Row).Take(MostWrong)];
    }

    /// <summary>(rows, classes); empty: the outputs of this loss are no probabilities.</summary>
    private static float[] Probabilities(Network network, ReadOnlySpan<float> features)
    {
        try
        {
            return network.PredictProbabilities(features);
        }
        catch (InvalidOperationException)
        {
            return [];
        }
    }

    /// <summary>The pictures as they are in the source, from black to white by the least and the greatest value among them.</summary>
    private static WrongRow[] WithPixels(WrongRow[] rows, KnownExamples known)
    {
        var table = known.Dataset.Features;
        var pictures = Array.ConvertAll(rows, row =>
        {
            var values = new float[table.Columns];
            table.CopyRow(row.Row, values);
            return values;
        });
        var (low, high) = pictures.Length == 0 ? (0, 1) : (pictures.Min(static values => values.Min()), pictures.Max(static values => values.Max()));
        var scale = high > low ? 255 / (high - low) : 0;
        return [.. rows.Select((row, i) => row with { Pixels = Convert.ToBase64String(Array.ConvertAll(pictures[i], value => (byte)Math.Round((value - low) * scale))) })];
    }
}
