using System.Text.Json;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Which rows of a source are meant.</summary>
public enum RowSet
{
    /// <summary>All.</summary>
    All,

    /// <summary>Those that the model's experiment trains on, where the source is its own.</summary>
    Training,

    /// <summary>Those that its split keeps for validation.</summary>
    Validation,

    /// <summary>Those that its split keeps for testing.</summary>
    Test,
}

/// <summary>One layer of a model.</summary>
/// <param name="Place">Its number, as its parameters' names begin.</param>
/// <param name="Kind">As in the experiment file.</param>
/// <param name="Output">Shape of an output row.</param>
/// <param name="Parameters">Numbers that are learnt in it, those of layers within it included.</param>
public sealed record LayerSummary(int Place, string Kind, Shape Output, int Parameters)
{
    internal static IReadOnlyList<LayerSummary> Of(Experiment experiment, ModelDefinition definition) => [.. experiment.Model.Layers.Select((options, place) =>
    {
        var until = new Model(definition with { Layers = [.. definition.Layers.Take(place + 1)] });
        var own = until.Layout.Slots.Where(slot => slot.Name.StartsWith($"{place}.", StringComparison.Ordinal)).Sum(static slot => slot.Shape.Elements);
        return new LayerSummary(place, ExperimentNames.Of(options), until.Output, own);
    })];
}

/// <summary>Rows with the right answers, and where they come from.</summary>
/// <param name="Examples">What the network is given.</param>
/// <param name="Dataset">The source, before preprocessing.</param>
/// <param name="Rows">Of each example: its row there.</param>
public sealed record KnownExamples(Examples Examples, Dataset Dataset, IReadOnlyList<int> Rows);

/// <summary>A model.safetensors of a run, with all that is needed to use it.</summary>
public sealed partial class SavedModel
{
    /// <summary>The version of the metadata that is written and read.</summary>
    internal const string FormatVersion = "1";

    private readonly ModelDefinition _definition;

    private SavedModel(string path, Experiment experiment, Preprocessor preprocessor, string targetName, string[] classes, ModelDefinition definition, Network network)
    {
        (Path, Experiment, Preprocessor, TargetName, ClassNames, _definition, Network) = (path, experiment, preprocessor, targetName, classes, definition, network);
        Loss = EngineParts.LossOf(experiment.Loss!, classes);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What it was trained by.</summary>
    public Experiment Experiment { get; }

    /// <summary>What is done to the columns of the data.</summary>
    public Preprocessor Preprocessor { get; }

    /// <summary>The target's column.</summary>
    public string TargetName { get; }

    /// <summary>The classes in the order of the outputs; empty: the output is a number.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The network with its weights.</summary>
    public Network Network { get; }

    /// <summary>What was minimised.</summary>
    public Loss Loss { get; }

    /// <summary>The layers from input to output.</summary>
    public IReadOnlyList<LayerSummary> Layers => LayerSummary.Of(Experiment, _definition);

    /// <summary>The file that is meant: a run's folder stands for its model.safetensors.</summary>
    public static string FileOf(string path) => Directory.Exists(path) ? System.IO.Path.Combine(path, "model.safetensors") : path;

    /// <summary>Reads a model.</summary>
    /// <param name="path">The file, or the run's folder.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static SavedModel? Load(string path, ICollection<string> problems)
    {
        var file = FileOf(path);
        try
        {
            if (!File.Exists(file))
            {
                problems.Add(Directory.Exists(path)
                    ? $"{path}: there is no model.safetensors in the folder. Has its run ended?"
                    : $"{path}: there is no such file. Name a model.safetensors or a run's folder.");
                return null;
            }

            var (tensors, metadata) = SafeTensors.Read(File.ReadAllBytes(file));
            return Build(file, tensors, metadata, problems);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException or JsonException)
        {
            problems.Add($"{file}: the model cannot be read: {problem.Message}");
            return null;
        }
    }

    /// <summary>Rows with the right answers.</summary>
    /// <param name="source">An embedded name, the path of a CSV file with the columns that the model knows, or of a folder with IDX files.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="rows">Which rows of it.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public Examples? ReadExamples(string source, string baseDirectory, RowSet rows, ICollection<string> problems) =>
        Read(source, baseDirectory, TargetName, rows, problems) is { } subset ? ExamplesOf(subset) : null;

    /// <summary>The same, with the rows as they are in the source.</summary>
    /// <inheritdoc cref="ReadExamples"/>
    public KnownExamples? ReadKnown(string source, string baseDirectory, RowSet rows, ICollection<string> problems)
    {
        if (KnownData.Read(source, Preprocessor, TargetName, ClassNames, baseDirectory, problems, EngineParts.FormatOf(Experiment.Data)) is not { } dataset
            || Rows(dataset, rows, problems) is not { } places
            || Prepare(dataset, places, problems) is not { } subset)
        {
            return null;
        }

        return new KnownExamples(ExamplesOf(subset), dataset, places);
    }

    private Examples ExamplesOf(Subset subset) => ClassNames.Count > 0
        ? new Examples(Features(subset), Enumerable.Range(0, subset.Rows).Select(subset.Label).ToArray())
        : new Examples(Features(subset), Enumerable.Range(0, subset.Rows).Select(subset.Target).ToArray());

    /// <summary>Rows whose answers are not known, or do not matter.</summary>
    /// <inheritdoc cref="ReadExamples"/>
    /// <returns>Preprocessed features (rows, columns); null where anything is wrong.</returns>
    public float[]? ReadFeatures(string source, string baseDirectory, ICollection<string> problems) =>
        Read(source, baseDirectory, null, RowSet.All, problems) is { } subset ? Features(subset) : null;

    private static SavedModel? Build(string file, IReadOnlyList<NamedTensor> tensors, IReadOnlyDictionary<string, string> metadata, ICollection<string> problems)
    {
        if (metadata.TryGetValue("dtrain.version", out var version) && version != FormatVersion)
        {
            problems.Add($"{file}: the model is of format {version}, this dtrain reads format {FormatVersion}. Use the dtrain that has written it, or train the model anew.");
            return null;
        }

        string[] needed = ["dtrain.experiment", "dtrain.preprocess", "dtrain.target", "dtrain.classes"];
        if (needed.Where(key => !metadata.ContainsKey(key)).ToArray() is { Length: > 0 } missing)
        {
            problems.Add($"{file}: the metadata lacks {string.Join(", ", missing)}. Name a model.safetensors that dtrain train has written.");
            return null;
        }

        var read = ExperimentReader.Read(metadata["dtrain.experiment"], file, []);
        if (read.Experiment is not { } experiment)
        {
            problems.Add($"{file}: the experiment in the metadata cannot be read; another version may have written it: {string.Join(' ', read.Problems)}");
            return null;
        }

        var preprocessor = Preprocessor.FromJson(metadata["dtrain.preprocess"]);
        var classes = JsonSerializer.Deserialize<string[]>(metadata["dtrain.classes"]) ?? [];
        experiment = EngineParts.WithLoss(experiment, classes.Length > 0 ? DataTask.Classification : DataTask.Regression);
        var shape = preprocessor.OutputShape;
        var input = experiment.Model.Layers.Any(EngineParts.NeedsImages) ? shape : new Shape(shape.Elements);
        var definition = new ModelDefinition(input, [.. experiment.Model.Layers.Select(EngineParts.LayerOf)], EngineParts.WeightsOf(experiment.Model.Init.Weights));
        try
        {
            var network = Network.Create(definition.Input, experiment.Seed, definition.Weights, [.. definition.Layers]);
            return TensorFit.Fill(network.Model, tensors, "", file, network.Parameters, network.Buffers, problems)
                ? new SavedModel(file, experiment, preprocessor, metadata["dtrain.target"], classes, definition, network)
                : null;
        }
        catch (ArgumentException problem)
        {
            problems.Add($"{file}: the layers in the metadata do not fit the data's columns there: {problem.Message}");
            return null;
        }
    }

    private Subset? Read(string source, string baseDirectory, string? target, RowSet set, ICollection<string> problems) =>
        KnownData.Read(source, Preprocessor, target, ClassNames, baseDirectory, problems, EngineParts.FormatOf(Experiment.Data)) is { } dataset
            && Rows(dataset, set, problems) is { } rows
            ? Prepare(dataset, rows, problems)
            : null;

    private Subset? Prepare(Dataset dataset, int[] rows, ICollection<string> problems)
    {
        try
        {
            return KnownData.Prepare(dataset, rows, Preprocessor);
        }
        catch (InvalidDataException problem)
        {
            problems.Add(problem.Message);
            return null;
        }
    }

    private int[]? Rows(Dataset dataset, RowSet set, ICollection<string> problems)
    {
        if (set == RowSet.All)
        {
            return [.. Enumerable.Range(0, dataset.Rows)];
        }

        if (RowSplit.Of(Experiment, dataset, problems) is not { } split)
        {
            return null;
        }

        var rows = set switch { RowSet.Training => split.Training, RowSet.Validation => split.Validation, _ => split.Test };
        if (rows.Length == 0)
        {
            problems.Add($"--rows: the model's experiment keeps no {ExperimentNames.Of(set)} rows of {dataset.Name}. Name the source that holds them, or write --rows all.");
            return null;
        }

        return rows;
    }

    private float[] Features(Subset subset)
    {
        var width = Network.Model.Input.Elements;
        var features = new float[checked(subset.Rows * width)];
        for (var row = 0; row < subset.Rows; row++)
        {
            subset.CopyRow(row, features.AsSpan(row * width, width));
        }

        return features;
    }
}
