namespace DistributedTrainer.Experiments;

/// <summary>The section <c>data</c>.</summary>
public sealed record DataOptions
{
    /// <summary>An embedded data set's name, or the path of a .csv file, relative to the experiment's folder.</summary>
    public required string Source { get; init; }

    /// <summary>The target's column; null: the last.</summary>
    public string? Target { get; init; }

    /// <summary>Null: decided by the target's values.</summary>
    public TargetTask? Task { get; init; }

    /// <summary>Null: every row is a training row.</summary>
    public SplitOptions? Split { get; init; } = new();

    /// <summary>Applied in this order; fitted on training rows only.</summary>
    public ValueList<PreprocessOptions> Preprocess { get; init; } = [];

    /// <summary>Whether each epoch visits the rows in another order; otherwise in file order.</summary>
    public bool Shuffle { get; init; } = true;
}

/// <summary>What the target is.</summary>
public enum TargetTask
{
    /// <summary>One of several classes.</summary>
    Classification,

    /// <summary>A number.</summary>
    Regression,
}

/// <summary>Shares of the rows that are kept from training.</summary>
public sealed record SplitOptions
{
    /// <summary>0 ≤ share &lt; 1 of all rows.</summary>
    public double Validation { get; init; } = 0.1;

    /// <summary>0 ≤ share &lt; 1 of all rows.</summary>
    public double Test { get; init; } = 0.2;

    /// <summary>Whether every class is split in the same shares. The file's default is true for classes and false for numbers.</summary>
    public bool Stratify { get; init; } = true;
}

/// <summary>One step of preprocessing.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Factor">What <see cref="PreprocessKind.Scale"/> multiplies by; 1 for the others.</param>
public sealed record PreprocessOptions(PreprocessKind Kind, double Factor = 1);

/// <summary>What a step of preprocessing does to each column.</summary>
public enum PreprocessKind
{
    /// <summary>x − mean.</summary>
    Center,

    /// <summary>(x − mean) / standard deviation.</summary>
    Standardize,

    /// <summary>(x − minimum) / (maximum − minimum).</summary>
    MinMax,

    /// <summary>x · factor.</summary>
    Scale,
}
