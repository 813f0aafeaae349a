using System.Text.Json;
using System.Text.Json.Serialization;

namespace DistributedTrainer.Dashboard.Following;

/// <summary>A step of metrics.jsonl.</summary>
internal sealed record MetricStep(long Step, double Epoch, double? Loss, double? LearningRate, double? RowsPerSecond, double? Seconds, bool? Skipped);

/// <summary>Points of a curve in columns; null: there is no number. With a reset what was sent before is void.</summary>
internal sealed record MetricColumns(bool Reset, long[] Step, double[] Epoch, double?[] Loss, double?[] LearningRate, double?[] RowsPerSecond, double?[] Seconds);

/// <summary>
/// The steps of a run in bounded memory: once there are too many, neighbours become one point, their mean. Its generation
/// grows where points that were handed out before are void.
/// </summary>
internal sealed class MetricSeries(int most = 4096)
{
    private readonly List<MetricStep> _points = [];
    private MetricStep? _open;
    private int _inOpen;
    private int _width = 1;

    public int Generation { get; private set; }

    public int Count => _points.Count;

    /// <summary>The last step that was read, whether it has become a point or not.</summary>
    public MetricStep? Last { get; private set; }

    public void Clear()
    {
        _points.Clear();
        (_open, _inOpen, _width, Last, Generation) = (null, 0, 1, null, Generation + 1);
    }

    public void Add(MetricStep step)
    {
        Last = step;
        _open = _open is null ? step : Mean(_open, _inOpen, step);
        if (++_inOpen < _width)
        {
            return;
        }

        _points.Add(_open);
        (_open, _inOpen) = (null, 0);
        if (_points.Count < most)
        {
            return;
        }

        for (var i = 0; i < _points.Count / 2; i++)
        {
            _points[i] = Mean(_points[2 * i], 1, _points[(2 * i) + 1]);
        }

        _points.RemoveRange(_points.Count / 2, _points.Count - (_points.Count / 2));
        (_width, Generation) = (_width * 2, Generation + 1);
    }

    /// <summary>The points from one on.</summary>
    public MetricColumns From(int first, bool reset)
    {
        var points = _points.Skip(first).ToArray();
        return new MetricColumns(
            reset,
            Array.ConvertAll(points, static point => point.Step),
            Array.ConvertAll(points, static point => point.Epoch),
            Array.ConvertAll(points, static point => Finite(point.Loss)),
            Array.ConvertAll(points, static point => Finite(point.LearningRate)),
            Array.ConvertAll(points, static point => Finite(point.RowsPerSecond)),
            Array.ConvertAll(points, static point => Finite(point.Seconds)));
    }

    // JSON has no other numbers.
    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    private static MetricStep Mean(MetricStep before, int count, MetricStep step) =>
        step with { Loss = before.Loss is not { } loss ? step.Loss : step.Loss is { } next ? loss + ((next - loss) / (count + 1)) : loss };
}

/// <summary>Forms of JSON that are read and written here, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(MetricStep))]
[JsonSerializable(typeof(RunUpdate))]
[JsonSerializable(typeof(RunEntry[]))]
[JsonSerializable(typeof(Reviews.ModelPage))]
[JsonSerializable(typeof(Reviews.ReviewPage))]
[JsonSerializable(typeof(Serving.Problem))]
[JsonSerializable(typeof(Reports.ReportData))]
internal sealed partial class DashboardJson : JsonSerializerContext;
