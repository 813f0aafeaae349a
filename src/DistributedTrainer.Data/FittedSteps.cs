using System.Text.Json.Serialization;

namespace DistributedTrainer.Data;

/// <summary>A column between two steps.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Source">The column of the data that it was made of.</param>
/// <param name="IsText">Whether it holds the indices of texts.</param>
internal sealed record PreparedColumn(string Name, int Source, bool IsText);

/// <summary>A step with the numbers that were fitted on the training rows.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(AffineStep), "affine")]
[JsonDerivedType(typeof(FillStep), "fill-missing")]
[JsonDerivedType(typeof(PolynomialStep), "polynomial")]
[JsonDerivedType(typeof(OneHotStep), "one-hot")]
internal abstract record FittedStep
{
    /// <summary>The columns that it makes of these.</summary>
    public abstract PreparedColumn[] Columns(PreparedColumn[] input);

    /// <summary>What is wrong with the fitted numbers for these columns; null: nothing.</summary>
    public abstract string? Problem(PreparedColumn[] input);

    /// <summary>The step for rows whose texts have these indices.</summary>
    public abstract RowStep Bind(PreparedColumn[] input, IReadOnlyDictionary<int, IReadOnlyList<string>> texts);
}

/// <summary>Makes one row of another.</summary>
internal delegate void RowStep(ReadOnlySpan<float> input, Span<float> output);

/// <summary>y = (x − offset) · factor for each column, in float64, rounded once.</summary>
internal sealed record AffineStep(double[] Offset, double[] Factor) : FittedStep
{
    public override PreparedColumn[] Columns(PreparedColumn[] input) => input;

    public override string? Problem(PreparedColumn[] input) =>
        Offset?.Length == input.Length && Factor?.Length == input.Length ? null : $"an affine step has other than {input.Length} offsets and factors";

    public override RowStep Bind(PreparedColumn[] input, IReadOnlyDictionary<int, IReadOnlyList<string>> texts) => Apply;

    private void Apply(ReadOnlySpan<float> input, Span<float> output)
    {
        for (var c = 0; c < output.Length; c++)
        {
            output[c] = (float)((input[c] - Offset[c]) * Factor[c]);
        }
    }
}

/// <summary>y = x, or the column's own value where x is missing (NaN).</summary>
internal sealed record FillStep(float[] Values) : FittedStep
{
    public override PreparedColumn[] Columns(PreparedColumn[] input) => input;

    public override string? Problem(PreparedColumn[] input) =>
        Values?.Length == input.Length ? null : $"fill-missing has other than {input.Length} values";

    public override RowStep Bind(PreparedColumn[] input, IReadOnlyDictionary<int, IReadOnlyList<string>> texts) => Apply;

    private void Apply(ReadOnlySpan<float> input, Span<float> output)
    {
        for (var c = 0; c < output.Length; c++)
        {
            output[c] = float.IsNaN(input[c]) ? Values[c] : input[c];
        }
    }
}

/// <summary>x becomes x, x², …, x^degree, side by side.</summary>
internal sealed record PolynomialStep(int Degree) : FittedStep
{
    public override PreparedColumn[] Columns(PreparedColumn[] input) =>
        [.. input.SelectMany(column => Enumerable.Range(1, column.IsText ? 1 : Degree)
            .Select(power => power == 1 ? column : column with { Name = $"{column.Name}^{power}" }))];

    public override string? Problem(PreparedColumn[] input) =>
        Degree >= 1 && (long)Degree * input.Length <= Array.MaxLength ? null : $"polynomial of degree {Degree} cannot be made of {input.Length} columns";

    public override RowStep Bind(PreparedColumn[] input, IReadOnlyDictionary<int, IReadOnlyList<string>> texts)
    {
        var isText = Array.ConvertAll(input, static column => column.IsText);
        return (row, output) =>
        {
            var at = 0;
            for (var c = 0; c < row.Length; c++)
            {
                double power = row[c];
                output[at++] = row[c];
                for (var exponent = 2; exponent <= Degree && !isText[c]; exponent++)
                {
                    power *= row[c];
                    output[at++] = (float)power;
                }
            }
        };
    }
}

/// <summary>A text column of the data becomes one column a category; a text that is none of them becomes zeros.</summary>
/// <param name="Categories">The categories in order, by the name of the text column.</param>
internal sealed record OneHotStep(Dictionary<string, string[]> Categories) : FittedStep
{
    public override PreparedColumn[] Columns(PreparedColumn[] input) =>
        [.. input.SelectMany(column => Categories.TryGetValue(column.Name, out var names)
            ? names.Select(name => column with { Name = $"{column.Name}={name}", IsText = false })
            : [column])];

    public override string? Problem(PreparedColumn[] input) =>
        Categories?.Keys.FirstOrDefault(name => !input.Any(column => column.IsText && column.Name == name)) is { } missing ? $"one-hot names '{missing}', which is no text column"
        : Categories?.Values.All(static names => names is not null) != true ? "one-hot has no categories"
        : null;

    public override RowStep Bind(PreparedColumn[] input, IReadOnlyDictionary<int, IReadOnlyList<string>> texts)
    {
        // For each column the category of each text; null: the column stays as it is.
        var numbers = Array.ConvertAll(input, column => Categories.TryGetValue(column.Name, out var names)
            ? Data.Categories.Find(names, texts[column.Source]) : null);
        var widths = Array.ConvertAll(input, column => Categories.TryGetValue(column.Name, out var names) ? names.Length : 1);
        return (row, output) =>
        {
            output.Clear();
            var at = 0;
            for (var c = 0; c < row.Length; c++)
            {
                if (numbers[c] is not { } known)
                {
                    output[at] = row[c];
                }
                else if (known[(int)row[c]] >= 0)
                {
                    output[at + known[(int)row[c]]] = 1;
                }

                at += widths[c];
            }
        };
    }
}
