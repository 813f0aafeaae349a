namespace DistributedTrainer.Data;

/// <summary>What the target is.</summary>
public enum DataTask
{
    /// <summary>One of several classes.</summary>
    Classification,

    /// <summary>A number.</summary>
    Regression,
}

/// <summary>A table of numbers with one target column.</summary>
public sealed class Dataset
{
    /// <summary>As named in the experiment.</summary>
    public required string Name { get; init; }

    /// <summary>Columns other than the target, in file order.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>The target's column.</summary>
    public required string TargetName { get; init; }

    /// <summary>Values (Rows, FeatureCount), row-major, in file order.</summary>
    public required float[] Features { get; init; }

    /// <summary>Class numbers (Rows), for classification.</summary>
    public int[] Labels { get; init; } = [];

    /// <summary>Target values (Rows), for regression.</summary>
    public float[] Values { get; init; } = [];

    /// <summary>The classes in the order of their numbers: numbers by value, texts by code point.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>What the target is.</summary>
    public required DataTask Task { get; init; }

    /// <summary>SHA-256 of the file, in hexadecimal: shows whether two nodes read the same.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Columns other than the target.</summary>
    public int FeatureCount => FeatureNames.Count;

    /// <summary>Rows.</summary>
    public int Rows => Task == DataTask.Classification ? Labels.Length : Values.Length;
}
