using System.Diagnostics;

namespace DistributedTrainer.Soak;

/// <summary>Looks at the processes and at the run's progress while all goes on.</summary>
/// <param name="processes">Those that are or were there.</param>
/// <param name="run">Where the run leaves its files.</param>
internal sealed class Watch(Func<IEnumerable<NodeProcess>> processes, RunFiles run)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Sample = TimeSpan.FromSeconds(1);

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Dictionary<int, (Course Course, TimeSpan From)> _courses = [];

    // When metrics.jsonl was seen to have grown. The coordinator writes it five times a second.
    private readonly List<TimeSpan> _growth = [];

    public TimeSpan Now => _clock.Elapsed;

    /// <summary>When progress was last seen.</summary>
    public TimeSpan LastProgress { get; private set; }

    public IEnumerable<Course> Courses => _courses.Values.Select(static entry => entry.Course);

    public async Task Run(CancellationToken cancel)
    {
        long length = 0;
        for (var sampled = TimeSpan.Zero; !cancel.IsCancellationRequested;)
        {
            // A coordinator that begins anew writes the file anew.
            var file = new FileInfo(run.Metrics);
            if (file.Exists && file.Length != length)
            {
                length = file.Length;
                LastProgress = Now;
                _growth.Add(LastProgress);
            }

            // What processes hold before the first step says nothing.
            if (_growth.Count > 0 && Now - sampled >= Sample)
            {
                sampled = Now;
                SampleAll();
            }

            await Task.Delay(Look, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The longest time without progress that began after one moment and before another; null: there was no progress later.</summary>
    public double? Standstill(TimeSpan from, TimeSpan to)
    {
        var gaps = _growth.Zip(_growth.Skip(1)).Where(gap => gap.Second > from && gap.First < to).Select(static gap => (gap.Second - gap.First).TotalSeconds).ToArray();
        return gaps.Length == 0 ? null : gaps.Max();
    }

    private void SampleAll()
    {
        foreach (var process in processes().Where(static process => !process.Ended.IsCompleted))
        {
            if (!_courses.TryGetValue(process.Id, out var entry))
            {
                _courses.Add(process.Id, entry = (new Course(process.Name), Now));
            }

            if (Footprint.Of(process.Id, Now - entry.From) is { } sample)
            {
                entry.Course.Add(sample);
            }
        }
    }
}
