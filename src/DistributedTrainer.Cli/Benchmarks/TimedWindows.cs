using System.Diagnostics;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>Measures something that is repeated: the best of several windows, each long enough to be timed well.</summary>
internal static class TimedWindows
{
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(50);

    /// <summary>Seconds of one repetition.</summary>
    /// <param name="windows">How many.</param>
    /// <param name="repeat">Does it so many times, and returns when all of it is done.</param>
    public static double Seconds(int windows, Action<long> repeat)
    {
        var repetitions = 1L;
        while (Time(repetitions) < Window)
        {
            repetitions *= 2;
        }

        return Enumerable.Range(0, windows).Min(_ => Time(repetitions).TotalSeconds / repetitions);

        TimeSpan Time(long count)
        {
            var start = Stopwatch.GetTimestamp();
            repeat(count);
            return Stopwatch.GetElapsedTime(start);
        }
    }
}
