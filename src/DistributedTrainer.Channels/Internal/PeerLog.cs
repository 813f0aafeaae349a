namespace DistributedTrainer.Channels.Internal;

/// <summary>
/// Tells what happens to peers, but of each address only the first in a period: a stranger that knocks a hundred thousand
/// times fills no log. What is left out is counted, and the count told with the next one, or at the end. Thread-safe.
/// </summary>
internal sealed class PeerLog(Action<string> tell, TimeSpan period, TimeProvider clock)
{
    // Further addresses share one entry: strangers must not fill the memory either.
    internal const int MaximumAddresses = 256;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Entry _others = new();

    /// <summary>Tells or counts.</summary>
    /// <param name="address">Whom the limit is for, without a port.</param>
    /// <param name="text">What happened.</param>
    public void Add(string address, string text)
    {
        if (period > TimeSpan.Zero)
        {
            lock (_gate)
            {
                var entry = Find(address);
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
        (string Address, long Count)[] left;
        lock (_gate)
        {
            left = [.. _entries.Append(new("other addresses", _others)).Where(static pair => pair.Value.LeftOut > 0).Select(static pair => (pair.Key, pair.Value.LeftOut))];
            _entries.Clear();
            _others.LeftOut = 0;
        }

        foreach (var (address, count) in left) tell($"{address}: {count} more like this");
    }

    private Entry Find(string address)
    {
        if (_entries.TryGetValue(address, out var entry)) return entry;
        if (_entries.Count == MaximumAddresses) Forget();
        if (_entries.Count == MaximumAddresses) return _others;
        return _entries[address] = new Entry();
    }

    /// <summary>Those whose time is over make room.</summary>
    private void Forget()
    {
        foreach (var (address, entry) in _entries.Where(pair => clock.GetElapsedTime(pair.Value.Told!.Value) >= period).ToArray())
        {
            _others.LeftOut += entry.LeftOut;
            _entries.Remove(address);
        }
    }

    private sealed class Entry
    {
        public long? Told { get; set; }

        public long LeftOut { get; set; }
    }
}
