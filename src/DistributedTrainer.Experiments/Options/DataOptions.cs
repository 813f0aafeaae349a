namespace DistributedTrainer.Experiments;

/// <summary>The section <c>data</c>.</summary>
public sealed record DataOptions
{
    /// <summary>An embedded data set's name, or the path of a .csv or .parquet file or of a folder with IDX files or images, relative to the experiment's folder.</summary>
    public required string Source { get; init; }

    /// <summary>The target's column; null: the last.</summary>
    public string? Target { get; init; }

    /// <summary>Null: decided by the target's values.</summary>
    public TargetTask? Task { get; init; }

    /// <summary>What stands between the fields of a .csv file; null: comma, semicolon, tab or bar, whichever the header line has.</summary>
    public char? Separator { get; init; }

    /// <summary>What stands around fields of a .csv file that hold separators.</summary>
    public char Quote { get; init; } = '"';

    /// <summary>What becomes of cells without a value: empty ones, and NA, N/A, NaN, null and ?.</summary>
    public MissingPolicy Missing { get; init; }

    /// <summary>Null: every row of <see cref="Source"/> is a training row. The file's default is null where folds or a source of its own take its place.</summary>
    public SplitOptions? Split { get; init; } = new();

    /// <summary>Parts of the training rows that take turns as validation rows, at least 2; null: none.</summary>
    public int? Folds { get; init; }

    /// <summary>Which of the <see cref="Folds"/> is held out as validation rows, from 1; null: <c>dtrain tune</c> holds out each in turn.</summary>
    public int? Fold { get; init; }

    /// <summary>Share of the training rows that is trained on, above 0 and up to 1: for learning curves. Validation and test rows stay the same.</summary>
    public double TrainingShare { get; init; } = 1;

    /// <summary>Where the validation rows come from, as <see cref="Source"/>; null: from the split.</summary>
    public string? ValidationSource { get; init; }

    /// <summary>Where the test rows come from, as <see cref="Source"/>; null: from the split.</summary>
    public string? TestSource { get; init; }

    /// <summary>How a row is an image; null: as the data set itself says, or not at all.</summary>
    public ImageOptions? Image { get; init; }

    /// <summary>Applied in this order; fitted on training rows only.</summary>
    public ValueList<PreprocessOptions> Preprocess { get; init; } = [];

    /// <summary>Changes of training rows, applied in this order after preprocessing.</summary>
    public ValueList<AugmentOptions> Augment { get; init; } = [];

    /// <summary>Whether each epoch visits the rows in another order; otherwise in file order.</summary>
    public bool Shuffle { get; init; } = true;
}

/// <summary>A row as an image: channel by channel, line by line.</summary>
/// <param name="Channels">At least 1.</param>
/// <param name="Height">Lines, at least 1.</param>
/// <param name="Width">Pixels of a line, at least 1.</param>
public sealed record ImageOptions(int Channels, int Height, int Width);

/// <summary>What becomes of cells without a value.</summary>
public enum MissingPolicy
{
    /// <summary>They are an error.</summary>
    Error,

    /// <summary>A number becomes the mean of its column over the training rows, a text none of the categories.</summary>
    Mean,

    /// <summary>Their rows are left out.</summary>
    Drop,
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

    /// <summary>Whether every class is split in the same shares; without effect on numbers as targets.</summary>
    public bool Stratify { get; init; } = true;
}
