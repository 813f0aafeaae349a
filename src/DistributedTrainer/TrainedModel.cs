using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer;

/// <summary>
/// A model that was trained, with the preprocessing of its data: it takes rows as the data had them. Not for use by several threads at once.
/// </summary>
public sealed class TrainedModel
{
    private readonly SavedModel _saved;

    private TrainedModel(SavedModel saved) => _saved = saved;

    /// <summary>Columns of a row, in their order.</summary>
    public IReadOnlyList<string> FeatureNames => _saved.Preprocessor.InputNames;

    /// <summary>The classes in the order of the outputs; empty: the output is a number.</summary>
    public IReadOnlyList<string> ClassNames => _saved.ClassNames;

    /// <summary>What it was trained by.</summary>
    public Experiment Experiment => _saved.Experiment;

    /// <summary>The network alone, which takes preprocessed rows.</summary>
    public Network Network => _saved.Network;

    /// <summary>Reads a model.</summary>
    /// <param name="path">A run's folder, or its model.safetensors. Where it has layers of an extension, that must be loaded: see <see cref="Engine.Extensions.ExtensionRegistry"/>.</param>
    /// <exception cref="InvalidDataException">It is not there, or cannot be read; says why.</exception>
    public static TrainedModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var problems = new List<string>();
        return SavedModel.Load(path, problems) is { } saved ? new TrainedModel(saved) : throw new InvalidDataException(string.Join(' ', problems));
    }

    /// <summary>The outputs of the network: a score for each class (one for two classes, with a loss that has one), or a value.</summary>
    /// <param name="features">(rows, columns) as the data had them, row after row. Text columns cannot be given here.</param>
    /// <returns>(rows, outputs), row after row.</returns>
    /// <exception cref="ArgumentException">These are no whole rows, or a number is not finite.</exception>
    public float[] Predict(float[] features) => Network.Predict(Prepare(features));

    /// <summary>The class of each row.</summary>
    /// <param name="features">As above.</param>
    /// <returns>Numbers of classes (rows), places in <see cref="ClassNames"/>.</returns>
    /// <exception cref="ArgumentException">As above.</exception>
    /// <exception cref="InvalidOperationException">The model has no classes.</exception>
    public int[] PredictClasses(float[] features)
    {
        if (ClassNames.Count == 0)
        {
            throw new InvalidOperationException($"predict: {_saved.TargetName} is a number, not a class. Use Predict.");
        }

        var outputs = Predict(features);
        var width = Network.Model.Output.Elements;
        return [.. Enumerable.Range(0, outputs.Length / width).Select(row => _saved.Loss.Predict(outputs.AsSpan(row * width, width)))];
    }

    private float[] Prepare(float[] features)
    {
        ArgumentNullException.ThrowIfNull(features);
        var columns = FeatureNames.Count;
        if (features.Length == 0 || features.Length % columns != 0)
        {
            throw new ArgumentException($"predict: {features.Length} numbers are no whole rows of {columns} columns.", nameof(features));
        }

        var rows = MemoryData.OfValues("rows", columns, features, new float[features.Length / columns]) with { FeatureNames = FeatureNames };
        var prepared = KnownData.Prepare(rows, [.. Enumerable.Range(0, rows.Rows)], _saved.Preprocessor);
        var width = Network.Model.Input.Elements;
        var inputs = new float[rows.Rows * width];
        for (var row = 0; row < rows.Rows; row++)
        {
            prepared.CopyRow(row, inputs.AsSpan(row * width, width));
        }

        return inputs;
    }
}
