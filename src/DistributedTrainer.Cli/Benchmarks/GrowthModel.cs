using System.Globalization;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>One measurement: what one size of a run costs while the others stay. Times in milliseconds of a step.</summary>
internal sealed record GrowthPoint(string Series, double Value, double Workers, double Parameters, double Leaves, double Step, double Computing, double Pushing, double Waiting, double Copying)
{
    /// <summary>Names of the columns, in this order.</summary>
    public const string Header = "series,value,workers,parameters,leaves,step_ms,computing_ms,pushing_ms,waiting_ms,copying_ms";

    /// <summary>Reads what benchmarks/growth.sh wrote.</summary>
    /// <exception cref="FormatException">A line is of another form; named by its number.</exception>
    public static GrowthPoint[] Read(IEnumerable<string> lines)
    {
        var numbered = lines.Select(static (line, at) => (Line: line, Number: at + 1)).ToArray();
        return numbered is [(Header, _), ..]
            ? [.. numbered.Skip(1).Select(static entry => Parse(entry.Line, entry.Number))]
            : throw new FormatException($"line 1: the columns are not {Header}");
    }

    private static GrowthPoint Parse(string line, int number)
    {
        var parts = line.Split(',');
        var values = parts.Skip(1).Select(static part => double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value : -1).ToArray();
        return values.Length == 9 && values.All(static value => value >= 0)
            ? new GrowthPoint(parts[0], values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7], values[8])
            : throw new FormatException($"line {number}: '{line}' is not a name and nine numbers, 0 or more");
    }
}

/// <summary>
/// What a step costs with many workers on a network, from costs measured on one machine. Each worker has one leaf and a core,
/// each server its own link; workers push at once, the servers then sum and update, and all pull at once: nothing overlaps.
/// </summary>
/// <param name="LeafMilliseconds">Computing one leaf.</param>
/// <param name="SumNanoseconds">Adding one parameter's gradient of one more worker.</param>
/// <param name="UpdateNanoseconds">Updating one parameter, on the cores of a server.</param>
/// <param name="CopyNanoseconds">Taking one parameter over, at a worker.</param>
/// <param name="FixedMilliseconds">What a step waits for with hardly any parameters: threads that are woken, one message there and one back.</param>
/// <param name="MessageMilliseconds">One message more at a server.</param>
internal sealed record GrowthModel(
    double LeafMilliseconds, double SumNanoseconds, double UpdateNanoseconds, double CopyNanoseconds, double FixedMilliseconds, double MessageMilliseconds)
{
    /// <summary>10 Gbit/s in bytes a millisecond.</summary>
    public const double LinkBytesPerMillisecond = 1.25e6;

    /// <summary>Takes the costs from the measurements.</summary>
    /// <exception cref="FormatException">A series that is needed is missing, or has one point only.</exception>
    public static GrowthModel Of(IReadOnlyList<GrowthPoint> points)
    {
        var (sizes, leaves, partitions) = (Series("parameters"), Series("leaves"), Series("partitions"));
        // The slopes are those of the large sizes, where what is fixed no longer counts; one worker pushes to one server.
        var (small, large) = (sizes[0], sizes[^1]);
        var compute = Series("workers")[0];
        return new GrowthModel(
            compute.Computing,
            PerParameter(leaves[^1].Computing - leaves[0].Computing, leaves[0].Parameters * (leaves[^1].Leaves - leaves[0].Leaves)),
            PerParameter(large.Waiting - small.Waiting, large.Parameters - small.Parameters),
            PerParameter(large.Copying - small.Copying, large.Parameters - small.Parameters),
            small.Pushing + small.Waiting + small.Copying,
            // Each partition is a push and an answer of each worker.
            Math.Max(0, (partitions[^1].Step - partitions[0].Step) / ((partitions[^1].Value - partitions[0].Value) * 2 * partitions[0].Workers)));

        GrowthPoint[] Series(string name)
        {
            GrowthPoint[] found = [.. points.Where(point => point.Series == name).OrderBy(static point => point.Value)];
            return found.Length > 1 ? found : throw new FormatException($"the series {name} has {found.Length} points, at least 2 are needed");
        }

        static double PerParameter(double milliseconds, double parameters) => Math.Max(0, milliseconds * 1e6 / parameters);
    }

    /// <summary>Milliseconds of a step.</summary>
    public double Step(int workers, int servers, double parameters) =>
        LeafMilliseconds + FixedMilliseconds + Messages(workers) + Network(workers, servers, parameters) + Update(workers, servers, parameters) + (CopyNanoseconds * parameters / 1e6);

    /// <summary>A server hears of every worker and answers each; the first of them is in what is fixed.</summary>
    public double Messages(int workers) => MessageMilliseconds * 2 * (workers - 1);

    /// <summary>Gradients there and parameters back, over the link that is the narrowest: a server's, or the worker's own.</summary>
    public static double Network(int workers, int servers, double parameters) =>
        2 * sizeof(float) * parameters * Math.Max(1, (double)workers / servers) / LinkBytesPerMillisecond;

    /// <summary>What the servers do with their part of the parameters.</summary>
    public double Update(int workers, int servers, double parameters) =>
        ((SumNanoseconds * (workers - 1)) + UpdateNanoseconds) * parameters / servers / 1e6;
}
