namespace DistributedTrainer.Cli.Views;

/// <summary>
/// How a number went from the beginning until now, in bounded memory: where it gets too long, neighbours become their mean,
/// so that it is ever coarser and never loses its beginning.
/// </summary>
internal sealed class Curve
{
    // Twice the columns that a terminal usually has for it, so that it is never seen how coarse it is.
    private const int Most = 256;

    private readonly List<double> _points = [];
    private int _valuesOfPoint = 1;
    private double _sum;
    private int _summed;

    /// <summary>The last value; NaN: there is none.</summary>
    public double Last { get; private set; } = double.NaN;

    /// <summary>Takes the next value; what is not finite is left out.</summary>
    public void Add(double value)
    {
        if (!double.IsFinite(value))
        {
            return;
        }

        Last = value;
        _sum += value;
        if (++_summed < _valuesOfPoint)
        {
            return;
        }

        _points.Add(_sum / _summed);
        (_sum, _summed) = (0, 0);
        if (_points.Count == Most)
        {
            for (var i = 0; i < Most / 2; i++)
            {
                _points[i] = (_points[2 * i] + _points[(2 * i) + 1]) / 2;
            }

            _points.RemoveRange(Most / 2, Most / 2);
            _valuesOfPoint *= 2;
        }
    }

    /// <summary>
    /// A line of so many characters at most, each as high as the curve is there. Of positive numbers the logarithm is drawn: a
    /// loss falls by factors.
    /// </summary>
    /// <param name="width">Characters at most.</param>
    /// <param name="levels">From the lowest to the highest.</param>
    public string Draw(int width, string levels)
    {
        var columns = Math.Min(width, _points.Count);
        if (columns <= 0)
        {
            return "";
        }

        var heights = new double[columns];
        for (var column = 0; column < columns; column++)
        {
            var (from, to) = (column * _points.Count / columns, (column + 1) * _points.Count / columns);
            heights[column] = _points[from..to].Average();
        }

        if (heights.Min() > 0)
        {
            heights = Array.ConvertAll(heights, Math.Log);
        }

        var (lowest, highest) = (heights.Min(), heights.Max());
        var unit = highest > lowest ? (levels.Length - 1) / (highest - lowest) : 0;
        return string.Concat(heights.Select(height => levels[(int)Math.Round((height - lowest) * unit)]));
    }
}
