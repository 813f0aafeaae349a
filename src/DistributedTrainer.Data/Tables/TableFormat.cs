namespace DistributedTrainer.Data;

/// <summary>What becomes of cells without a value.</summary>
public enum MissingValues
{
    /// <summary>They are an error.</summary>
    Error,

    /// <summary>The mean of the column over the training rows takes their place; a text is then none of the categories. A target cannot be missing.</summary>
    Mean,

    /// <summary>Their rows are left out.</summary>
    Drop,
}

/// <summary>How a text file is read.</summary>
public sealed record TableFormat
{
    /// <summary>Between fields; null: comma, semicolon, tab or bar, whichever the header line has.</summary>
    public char? Separator { get; init; }

    /// <summary>Around fields that hold separators or line breaks.</summary>
    public char Quote { get; init; } = '"';

    /// <summary>What becomes of cells without a value.</summary>
    public MissingValues Missing { get; init; }
}
