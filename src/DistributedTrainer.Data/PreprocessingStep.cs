namespace DistributedTrainer.Data;

/// <summary>What a step of preprocessing does.</summary>
public enum PreprocessStep
{
    /// <summary>x − mean.</summary>
    Center,

    /// <summary>(x − mean) / standard deviation.</summary>
    Standardize,

    /// <summary>(x − minimum) / (maximum − minimum).</summary>
    MinMax,

    /// <summary>x · factor.</summary>
    Scale,

    /// <summary>x becomes the columns x, x², …, x^degree; no products of different columns.</summary>
    Polynomial,

    /// <summary>Where a number is missing, the mean of those that are there.</summary>
    FillMissing,

    /// <summary>A text column becomes one column for each category, 1 in the row's own and 0 in the others.</summary>
    OneHot,
}

/// <summary>One step of preprocessing, as asked for. Steps other than one-hot leave text columns alone.</summary>
/// <param name="Kind">What is done.</param>
public sealed record PreprocessingStep(PreprocessStep Kind)
{
    /// <summary>What <see cref="PreprocessStep.Scale"/> multiplies by.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>The highest power of <see cref="PreprocessStep.Polynomial"/>, at least 1.</summary>
    public int Degree { get; init; } = 1;

    /// <summary>The text columns of <see cref="PreprocessStep.OneHot"/>.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];
}
