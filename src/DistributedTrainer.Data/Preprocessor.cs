using System.Text.Json;

namespace DistributedTrainer.Data;

/// <summary>One step of preprocessing.</summary>
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
}

/// <summary>
/// Steps of the form (x − offset) · factor, column by column, fitted on training rows only. Statistics run in float64
/// over the rows in order, and so do the steps: every node gets the same, and values near the ends of float32 survive. A
/// column that is constant in the training rows becomes 0 under center, standardize and min-max.
/// </summary>
public sealed class Preprocessor
{
    private readonly List<(double[] Offset, double[] Factor)> _steps = [];
    private readonly HashSet<int> _constant = [];

    /// <summary>Columns that are constant in the training rows and were scaled by their spread.</summary>
    public IReadOnlyCollection<int> ConstantColumns => _constant;

    /// <summary>Fits each step on what the steps before it make of the training rows.</summary>
    /// <exception cref="ArgumentException">There are no training rows.</exception>
    public static Preprocessor Fit(Dataset dataset, ReadOnlySpan<int> training, IEnumerable<(PreprocessStep Step, double Factor)> steps)
    {
        if (training.Length == 0)
        {
            throw new ArgumentException("preprocess: there are no training rows to fit on. Lower the shares of validation and test.", nameof(training));
        }

        var result = new Preprocessor();
        foreach (var (step, factor) in steps)
        {
            result.Add(dataset, training, step, factor);
        }

        return result;
    }

    /// <summary>Applies all steps to one row, in place.</summary>
    public void Apply(Span<float> row)
    {
        foreach (var (offset, factor) in _steps)
        {
            for (var c = 0; c < row.Length; c++)
            {
                row[c] = (float)((row[c] - offset[c]) * factor[c]);
            }
        }
    }

    /// <summary>The fitted numbers as JSON: stored with the model.</summary>
    public string ToJson() => JsonSerializer.Serialize(_steps.Select(static step => new { offset = step.Offset, factor = step.Factor }));

    private void Add(Dataset dataset, ReadOnlySpan<int> training, PreprocessStep step, double factor)
    {
        var columns = dataset.FeatureCount;
        var (offset, scale) = (new double[columns], new double[columns]);
        Array.Fill(scale, step == PreprocessStep.Scale ? factor : 1);
        if (step != PreprocessStep.Scale)
        {
            var (mean, deviation, minimum, maximum) = Statistics(dataset, training);
            for (var c = 0; c < columns; c++)
            {
                offset[c] = step == PreprocessStep.MinMax ? minimum[c] : mean[c];
                var spread = step switch
                {
                    PreprocessStep.Standardize => deviation[c],
                    PreprocessStep.MinMax => maximum[c] - minimum[c],
                    _ => 1.0,
                };
                if (spread <= 0)
                {
                    _constant.Add(c);
                }

                scale[c] = spread > 0 ? 1 / spread : 0;
            }
        }

        _steps.Add((offset, scale));
    }

    private (double[] Mean, double[] Deviation, double[] Minimum, double[] Maximum) Statistics(Dataset dataset, ReadOnlySpan<int> training)
    {
        var columns = dataset.FeatureCount;
        var (mean, m2, minimum, maximum) = (new double[columns], new double[columns], new double[columns], new double[columns]);
        Array.Fill(minimum, double.PositiveInfinity);
        Array.Fill(maximum, double.NegativeInfinity);
        var row = new float[columns];
        foreach (var pass in (ReadOnlySpan<int>)[0, 1])
        {
            foreach (var index in training)
            {
                dataset.Features.AsSpan(index * columns, columns).CopyTo(row);
                Apply(row);
                for (var c = 0; c < columns; c++)
                {
                    if (pass == 0)
                    {
                        mean[c] += row[c];
                        minimum[c] = Math.Min(minimum[c], row[c]);
                        maximum[c] = Math.Max(maximum[c], row[c]);
                    }
                    else
                    {
                        var deviation = row[c] - mean[c];
                        m2[c] += deviation * deviation;
                    }
                }
            }

            if (pass == 0)
            {
                for (var c = 0; c < columns; c++)
                {
                    mean[c] /= training.Length;
                }
            }
        }

        for (var c = 0; c < columns; c++)
        {
            // The mean of equal numbers may be rounded: a constant column is taken as what it is.
            var constant = minimum[c] == maximum[c];
            mean[c] = constant ? minimum[c] : mean[c];
            m2[c] = constant ? 0 : Math.Sqrt(m2[c] / training.Length);
        }

        return (mean, m2, minimum, maximum);
    }
}
