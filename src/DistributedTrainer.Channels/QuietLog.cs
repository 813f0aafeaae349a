namespace DistributedTrainer.Channels;

/// <summary>
/// Tells what happens, but of each source only the first in a period: a stranger that knocks a hundred thousand times
/// fills no log. What is left out is counted, and the count told with the next one, or at the end. Thread-safe.
/// </summary>
/// <param name="tell">Where to; may be called on any thread.</param>
/// <param name="period">How long a source is quiet after it was told of; zero: each is told.</param>
/// <param name="clock">Tells the time.</param>
public sealed class QuietLog(Action<string> tell, TimeSpan period, TimeProvider clock)
{
    // Further sources share one entry: strangers must not fill the memory either.
    internal const int MaximumSources = 256;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Entry _others = new();

    /// <summary>Tells or counts.</summary>
    /// <param name="source">Whom or what the limit is for, such as a peer's address without its port.</param>
    /// <param name="text">What happened.</param>
    public void Add(string source, string text)
    {
        if (period > TimeSpan.Zero)
        {
            lock (_gate)
            {
                var entry = Find(source);
                if (entry.Told is { } told && clock.GetElapsedTime(told) < period)
                {
                    entry.LeftOut++;
                    return;
                }

                if (entry.LeftOut > 0) text += $" (and {entry.LeftOut} more like this before)";
                entry.Told = clock.GetTimestamp();
                entry.LeftOut = 0;
            }
        }

        tell(text);
    }

    /// <summary>Tells what was left out so far.</summary>
    public void Close()
    {
        (string Source, long Count)[] left;
        lock (_gate)
        {
            left = [.. _entries.Append(new("others", _others)).Where(static pair => pair.Value.LeftOut > 0).Select(static pair => (pair.Key, pair.Value.LeftOut))];
            _entries.Clear();
            _others.LeftOut = 0;
        }

        foreach (var (source, count) in left) tell($"{source}: {count} more like this");
    }

    private Entry Find(string source)
    {
        if (_entries.TryGetValue(source, out var entry)) return entry;
        if (_entries.Count == MaximumSources) Forget();
        if (_entries.Count == MaximumSources) return _others;
        return _entries[source] = new Entry();
    }

    /// <summary>Those whose time is over make room.</summary>
    private void Forget()
    {
        foreach (var (source, entry) in _entries.Where(pair => clock.GetElapsedTime(pair.Value.Told!.Value) >= period).ToArray())
        {
            _others.LeftOut += entry.LeftOut;
            _entries.Remove(source);
        }
    }

    private sealed class Entry
    {
        public long? Told { get; set; }

        public long LeftOut { get; set; }
    }
}
