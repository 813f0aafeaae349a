using System.Text.Json;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>
/// Steps of preprocessing in the order in which they were asked for, fitted on training rows only. Statistics run in
/// float64 over the rows in order, and so do the steps: every node gets the same, and values near the ends of float32
/// survive. A column that is constant in the training rows becomes 0 under center, standardize and min-max.
/// </summary>
public sealed class Preprocessor
{
    private readonly List<FittedStep> _steps = [];
    private readonly List<string> _constant = [];
    private readonly PreparedColumn[] _input;
    private PreparedColumn[] _output;

    private Preprocessor(PreparedColumn[] input, Shape shape) => (_input, _output, InputShape) = (input, input, shape);

    /// <summary>Columns that are constant in the training rows and were scaled by their spread.</summary>
    public IReadOnlyCollection<string> ConstantColumns => _constant;

    /// <summary>The columns of the data, in order.</summary>
    public IReadOnlyList<string> InputNames => Array.ConvertAll(_input, static column => column.Name);

    /// <summary>Columns of the data that must be read as text.</summary>
    public IReadOnlyList<string> TextColumns => [.. _input.Where(static column => column.IsText).Select(static column => column.Name)];

    /// <summary>The columns of a preprocessed row, such as x, x^2, colour=red.</summary>
    public IReadOnlyList<string> OutputNames => Array.ConvertAll(_output, static column => column.Name);

    /// <summary>What a row of the data is: flat or an image.</summary>
    public Shape InputShape { get; }

    /// <summary>What a preprocessed row is: as the data's, or flat where columns were added.</summary>
    public Shape OutputShape => _steps.TrueForAll(static step => step is AffineStep or FillStep) ? InputShape : new Shape(_output.Length);

    /// <summary>Whether numbers may be missing.</summary>
    public bool FillsMissing => _steps.Exists(static step => step is FillStep);

    /// <summary>The fitted steps in order.</summary>
    internal IReadOnlyList<FittedStep> Steps => _steps;

    /// <summary>For each preprocessed column the column of the data that it is made of.</summary>
    internal int[] Sources => Array.ConvertAll(_output, static column => column.Source);

    /// <summary>Fits each step on what the steps before it make of the training rows.</summary>
    /// <param name="dataset">The data as read.</param>
    /// <param name="training">The training rows, one at least.</param>
    /// <param name="steps">In the order in which they are applied.</param>
    /// <exception cref="ArgumentException">There are no training rows.</exception>
    /// <exception cref="InvalidDataException">The steps do not fit the data: the message says which, why, and what to do.</exception>
    public static Preprocessor Fit(Dataset dataset, ReadOnlySpan<int> training, IEnumerable<PreprocessingStep> steps) =>
        Fit(dataset, training, steps, ByteCounts.FewRows);

    /// <summary>The same; rows of bytes are counted where there are more than few.</summary>
    internal static Preprocessor Fit(Dataset dataset, ReadOnlySpan<int> training, IEnumerable<PreprocessingStep> steps, int fewRows)
    {
        if (training.Length == 0)
        {
            throw new ArgumentException("preprocess: there are no training rows to fit on. Lower the shares of validation and test.", nameof(training));
        }

        ByteCounts? counts = null;
        var result = new Preprocessor([.. dataset.FeatureNames.Select((name, column) => new PreparedColumn(name, column, dataset.Texts.ContainsKey(column)))], dataset.InputShape);
        foreach (var step in steps)
        {
            result.Append(result.FitStep(dataset, training, step, fewRows, ref counts));
        }

        if (Array.Find(result._output, static column => column.IsText) is { } text)
        {
            throw new InvalidDataException($"data.preprocess: the column '{text.Name}' holds text. Add one-hot: [{text.Name}].");
        }

        return result._output.Length > 0 ? result
            : throw new InvalidDataException("data.preprocess: no column is left, since no text has a category. Name other columns for one-hot.");
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is something else, or damaged.</exception>
    public static Preprocessor FromJson(string json)
    {
        Stored? stored;
        try
        {
            stored = JsonSerializer.Deserialize<Stored>(json, JsonSerializerOptions.Web);
        }
        catch (Exception problem) when (problem is JsonException or NotSupportedException)
        {
            // Not supported: a step without a kind.
            throw new InvalidDataException($"preprocess: the stored preprocessing cannot be read: {problem.Message}", problem);
        }

        if (stored is not { Columns: { } names, Text: { } text, Shape: { Length: <= Shape.MaximumRank } shape, Constant: { } constant, Steps: { } steps }
            || shape.Aggregate(1L, static (product, size) => size < 1 ? 0 : Math.Min(product * size, int.MaxValue)) != names.Length)
        {
            throw new InvalidDataException("preprocess: the stored preprocessing lacks columns, text, shape, constant or steps, or they do not fit each other. Is the file damaged?");
        }

        var result = new Preprocessor([.. names.Select((name, column) => new PreparedColumn(name, column, text.Contains(name)))], new Shape(shape));
        foreach (var step in steps)
        {
            result.Append(step ?? throw new InvalidDataException("preprocess: a stored step is empty. Is the file damaged?"));
        }

        result._constant.AddRange(constant);
        return result;
    }

    /// <summary>The fitted numbers as JSON, to the last bit: stored with the model.</summary>
    public string ToJson() => JsonSerializer.Serialize(
        new Stored([.. InputNames], [.. TextColumns], [.. Enumerable.Range(0, InputShape.Rank).Select(dimension => InputShape[dimension])], [.. _constant], [.. _steps]),
        JsonSerializerOptions.Web);

    /// <summary>The steps for rows of this data set. Not thread-safe: one for each thread.</summary>
    /// <exception cref="InvalidDataException">It has other columns than the data that was fitted on.</exception>
    public RowTransform For(Dataset dataset)
    {
        if (!dataset.FeatureNames.SequenceEqual(InputNames))
        {
            var missing = InputNames.Except(dataset.FeatureNames).Take(6).ToArray();
            throw new InvalidDataException($"{dataset.Name}: the columns are not those that were trained on{(missing.Length > 0 ? $": {string.Join(", ", missing)} missing" : ", in number or order")}. Give the same columns.");
        }

        if (Array.Find(_input, column => column.IsText != dataset.Texts.ContainsKey(column.Source)) is { } other)
        {
            throw new InvalidDataException($"{dataset.Name}: the column '{other.Name}' must be read as {(other.IsText ? "text" : "numbers")}, as it was for training.");
        }

        var (bound, columns) = (new List<(RowStep, int)>(), _input);
        foreach (var step in _steps)
        {
            var next = step.Columns(columns);
            bound.Add((step.Bind(columns, dataset.Texts), next.Length));
            columns = next;
        }

        return new RowTransform(columns.Length, bound);
    }

    private void Append(FittedStep step)
    {
        if (step.Problem(_output) is { } problem)
        {
            throw new InvalidDataException($"data.preprocess: {problem}.");
        }

        _output = step.Columns(_output);
        _steps.Add(step);
    }

    /// <summary>Refuses steps that drive a value of a mapped table out of float32: what lies between a column's ends, and 0, stays between what becomes of these.</summary>
    /// <exception cref="InvalidDataException">A value is not finite.</exception>
    internal void CheckRange(Dataset dataset)
    {
        var (transform, row) = (For(dataset), new float[_output.Length]);
        foreach (var ends in dataset.Ends)
        {
            transform.Apply(ends, row);
            Finite.Check(row, OutputNames);
        }
    }

    private FittedStep FitStep(Dataset dataset, ReadOnlySpan<int> training, PreprocessingStep step, int fewRows, ref ByteCounts? counts) => step.Kind switch
    {
        PreprocessStep.Polynomial => new PolynomialStep(step.Degree),
        PreprocessStep.FillMissing => FitFill(dataset, training),
        PreprocessStep.OneHot => FitCategories(dataset, training, step.Columns),
        PreprocessStep.Scale => Affine(_ => (0, step.Factor)),
        _ when dataset.Features.IsBytes && training.Length > fewRows =>
            FitSpread((counts ??= ByteCounts.Of(dataset, training)).Statistics(dataset.FeatureCount, For(dataset), Sources, OutputNames), step.Kind),
        _ => FitSpread(ColumnStatistics.Of(dataset, training, For(dataset), OutputNames), step.Kind),
    };

    private AffineStep FitSpread(ColumnStatistics statistics, PreprocessStep kind) => Affine(c =>
    {
        var spread = kind switch
        {
            PreprocessStep.Standardize => statistics.Deviation[c],
            PreprocessStep.MinMax => statistics.Maximum[c] - statistics.Minimum[c],
            _ => 1.0,
        };
        if (spread <= 0 && !_constant.Contains(_output[c].Name))
        {
            _constant.Add(_output[c].Name);
        }

        return (kind == PreprocessStep.MinMax ? statistics.Minimum[c] : statistics.Mean[c], spread > 0 ? 1 / spread : 0);
    });

    private AffineStep Affine(Func<int, (double Offset, double Factor)> column)
    {
        var numbers = _output.Select((entry, c) => entry.IsText ? (Offset: 0, Factor: 1) : column(c)).ToArray();
        return new AffineStep(Array.ConvertAll(numbers, static entry => entry.Offset), Array.ConvertAll(numbers, static entry => entry.Factor));
    }

    /// <summary>Means in float64 over the training rows in order.</summary>
    private FillStep FitFill(Dataset dataset, ReadOnlySpan<int> training)
    {
        var row = new float[dataset.FeatureCount];
        var (sums, counts) = (new double[row.Length], new long[row.Length]);
        foreach (var index in training)
        {
            dataset.Features.CopyRow(index, row);
            for (var c = 0; c < row.Length; c++)
            {
                if (!float.IsNaN(row[c]))
                {
                    sums[c] += row[c];
                    counts[c]++;
                }
            }
        }

        return Array.IndexOf(counts, 0) is >= 0 and var empty
            ? throw new InvalidDataException($"data.missing: the column {_input[empty].Name} has no value in any training row, so there is no mean to fill in. Remove the column.")
            : new FillStep([.. sums.Zip(counts, static (sum, count) => (float)(sum / count))]);
    }

    private OneHotStep FitCategories(Dataset dataset, ReadOnlySpan<int> training, IReadOnlyList<string> columns)
    {
        var row = new float[dataset.FeatureCount];
        var result = new Dictionary<string, string[]>();
        foreach (var name in columns)
        {
            if (Array.Find(_output, column => column.IsText && column.Name == name) is not { } column)
            {
                throw new InvalidDataException($"data.preprocess: one-hot names '{name}', which is no text column (any more). Name each text column once.");
            }

            var seen = new HashSet<int>();
            foreach (var index in training)
            {
                dataset.Features.CopyRow(index, row);
                seen.Add((int)row[column.Source]);
            }

            // An empty cell belongs to no category.
            var texts = dataset.Texts[column.Source];
            result.Add(name, Categories.Order([.. seen.Select(code => texts[code]).Where(static text => text.Length > 0)]).Names);
        }

        return new OneHotStep(result);
    }

    private sealed record Stored(string[] Columns, string[] Text, int[] Shape, string[] Constant, FittedStep[] Steps);
}
