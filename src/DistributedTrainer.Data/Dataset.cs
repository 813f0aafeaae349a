using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>What the target is.</summary>
public enum DataTask
{
    /// <summary>One of several classes.</summary>
    Classification,

    /// <summary>A number.</summary>
    Regression,
}

/// <summary>
/// A table with one target column. Its rows are those of the training source, then those of a validation source and of
/// a test source, if there are such.
/// </summary>
public sealed record Dataset
{
    private readonly Shape? _inputShape;

    /// <summary>As named in the experiment.</summary>
    public required string Name { get; init; }

    /// <summary>Columns other than the target, in file order.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>The target's column.</summary>
    public required string TargetName { get; init; }

    /// <summary>Values (Rows, FeatureCount), in file order. A cell of a text column holds its text's index in <see cref="Texts"/>.</summary>
    public required FeatureTable Features { get; init; }

    /// <summary>The different texts of each feature that was read as text, by column.</summary>
    public IReadOnlyDictionary<int, IReadOnlyList<string>> Texts { get; init; } = new Dictionary<int, IReadOnlyList<string>>();

    /// <summary>What the features of a row are: (FeatureCount), or (channels, height, width) of an image.</summary>
    public Shape InputShape
    {
        get => _inputShape ?? new Shape(FeatureCount);
        init => _inputShape = value;
    }

    /// <summary>Class numbers (Rows), for classification.</summary>
    public int[] Labels { get; init; } = [];

    /// <summary>Target values (Rows), for regression.</summary>
    public float[] Values { get; init; } = [];

    /// <summary>The classes in the order of their numbers: numbers by value, texts by code point.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>What the target is.</summary>
    public required DataTask Task { get; init; }

    /// <summary>SHA-256 of what was read, in hexadecimal: shows whether two nodes read the same.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Rows that come from a validation source; they stand before the test rows.</summary>
    public int ValidationRows { get; init; }

    /// <summary>Rows that come from a test source; they stand at the end.</summary>
    public int TestRows { get; init; }

    /// <summary>The smallest and the largest value of each column, and the nearest to 0 between them: (FeatureCount) each. Known where the features are mapped numbers.</summary>
    internal IReadOnlyList<float[]> Ends { get; init; } = [];

    /// <summary>Columns other than the target.</summary>
    public int FeatureCount => FeatureNames.Count;

    /// <summary>Rows of all sources.</summary>
    public int Rows => Task == DataTask.Classification ? Labels.Length : Values.Length;

    /// <summary>Rows of the training source, from row 0 on: a split draws from these.</summary>
    public int TrainingRows => Rows - ValidationRows - TestRows;

    /// <summary>The same rows taken as images, such as (1, 8, 8) for the digits.</summary>
    /// <param name="sizes">Channels, height, width; their product is the number of features.</param>
    /// <exception cref="ArgumentException">The product is another number.</exception>
    public Dataset WithShape(params ReadOnlySpan<int> sizes)
    {
        var shape = new Shape(sizes);
        var elements = 1L;
        foreach (var size in sizes)
        {
            elements = Math.Min(elements * size, int.MaxValue);
        }

        return elements == FeatureCount
            ? this with { InputShape = shape }
            : throw new ArgumentException($"shape: {shape} does not fit the {FeatureCount} features of {Name}. Choose sizes whose product is {FeatureCount}.", nameof(sizes));
    }

    /// <summary>All that is known but the features.</summary>
    internal Dataset WithoutFeatures() => this with { Features = new FeatureTable(Math.Max(FeatureCount, 1), Array.Empty<float[]>()) };
}
