namespace DistributedTrainer.Experiments;

/// <summary>One step of preprocessing.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Factor">What <see cref="PreprocessKind.Scale"/> multiplies by; 1 for the others.</param>
public sealed record PreprocessOptions(PreprocessKind Kind, double Factor = 1)
{
    /// <summary>Highest power of <see cref="PreprocessKind.Polynomial"/>, at least 1; 1 for the others.</summary>
    public int Degree { get; init; } = 1;

    /// <summary>Columns of <see cref="PreprocessKind.OneHot"/>, at least one; none for the others.</summary>
    public ValueList<string> Columns { get; init; } = [];
}

/// <summary>What a step of preprocessing does to the columns.</summary>
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

    /// <summary>x, x², … up to the degree, of each column.</summary>
    Polynomial,

    /// <summary>One column of 0 and 1 for each value of a column.</summary>
    OneHot,
}

/// <summary>One way in which training rows are changed at random each time they are used.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Amount">How much at most; 0 for <see cref="AugmentKind.Flip"/>.</param>
public sealed record AugmentOptions(AugmentKind Kind, double Amount = 0);

/// <summary>What an augmentation does to a row.</summary>
public enum AugmentKind
{
    /// <summary>Images move by whole pixels, up to the amount each way.</summary>
    Shift,

    /// <summary>Every other image, by chance, is mirrored left to right.</summary>
    Flip,

    /// <summary>Images turn by up to so many degrees each way.</summary>
    Rotate,

    /// <summary>Normal noise of this standard deviation is added to each element.</summary>
    Noise,

    /// <summary>Rows are multiplied by a factor from 1 − amount to 1 + amount.</summary>
    ScaleJitter,
}
