using System.Globalization;

namespace DistributedTrainer.Soak;

/// <summary>What a process holds at one moment.</summary>
/// <param name="At">Since its first sample.</param>
/// <param name="Megabytes">Resident memory.</param>
/// <param name="Handles">Open file descriptors.</param>
/// <param name="Segments">Memory files that it has mapped: rings and lent regions of the data plane.</param>
internal readonly record struct Footprint(TimeSpan At, double Megabytes, int Handles, int Segments)
{
    /// <summary>From /proc; null: the process is gone, or there is no /proc.</summary>
    public static Footprint? Of(int process, TimeSpan at)
    {
        try
        {
            var resident = File.ReadLines($"/proc/{process}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            var kilobytes = long.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            var handles = Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Count();
            var segments = File.ReadLines($"/proc/{process}/maps").Count(static line => line.Contains("/memfd:dtrain", StringComparison.Ordinal));
            return new Footprint(at, kilobytes / 1024.0, handles, segments);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null;
        }
    }
}

/// <summary>
/// What one process held over its life. It is flat when the median of the last third is not above that of the first by
/// more than the allowance: what lives, moves within it, and what leaks with each event does not. Of a process that takes
/// part in the data plane only the time counts in which it does: a server may stand by for minutes before it has partitions.
/// </summary>
internal sealed class Course(string name)
{
    // Code is compiled, pools and arenas grow to their size.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);

    private const int FewestSamples = 30;
    private const double MegabytesAllowed = 25;
    private const double ShareAllowed = 0.2;
    private const int HandlesAllowed = 10;
    private const int SegmentsAllowed = 6;

    private readonly List<Footprint> _samples = [];

    public static string Allowance =>
        $"after {WarmUp.TotalSeconds} s, medians of first and last third: {MegabytesAllowed} MB and {ShareAllowed:P0} of memory, {HandlesAllowed} handles, {SegmentsAllowed} segments";

    public string Name => name;

    /// <summary>Whether it lived long enough to be judged.</summary>
    public bool Counts => Warm.Length >= FewestSamples;

    public TimeSpan Life => _samples.Count > 0 ? _samples[^1].At : TimeSpan.Zero;

    public (double First, double Last) Megabytes => Thirds(static sample => sample.Megabytes);

    public (double First, double Last) Handles => Thirds(static sample => sample.Handles);

    public (double First, double Last) Segments => Thirds(static sample => sample.Segments);

    public bool IsFlat =>
        Megabytes is var (memory, memoryLast) && memoryLast <= memory + MegabytesAllowed + (ShareAllowed * memory)
        && Handles is var (handles, handlesLast) && handlesLast <= handles + HandlesAllowed
        && Segments is var (segments, segmentsLast) && segmentsLast <= segments + SegmentsAllowed;

    private Footprint[] Warm => [.. _samples.Where(sample => sample.At >= WarmUp && (sample.Segments > 0 || !TakesPart))];

    private bool TakesPart => _samples.Exists(static sample => sample.Segments > 0);

    public void Add(Footprint sample) => _samples.Add(sample);

    private (double First, double Last) Thirds(Func<Footprint, double> what)
    {
        double[] values = [.. Warm.Select(what)];
        return (Numbers.Median(values[..(values.Length / 3)]), Numbers.Median(values[^(values.Length / 3)..]));
    }
}

/// <summary>What is told of several measurements.</summary>
internal static class Numbers
{
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
