namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>What memory and threads do with nothing around them.</summary>
internal static class BareMemory
{
    /// <summary>10⁶ bytes a second of copying a payload; each byte counts once.</summary>
    public static double CopyRate(int bytes, int windows) => bytes / CopySeconds(bytes, windows) / 1e6;

    /// <summary>Seconds of copying so many bytes.</summary>
    public static double CopySeconds(int bytes, int windows)
    {
        var (from, to) = (GC.AllocateUninitializedArray<byte>(bytes, pinned: true), GC.AllocateUninitializedArray<byte>(bytes, pinned: true));
        from.AsSpan().Fill(1);
        return TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                from.AsSpan().CopyTo(to);
            }
        });
    }

    /// <summary>Microseconds for waking another thread and being woken by it.</summary>
    /// <param name="windows">Timed windows; the best counts.</param>
    /// <param name="attended">The asking thread is not woken, but looks for the answer again and again.</param>
    public static double RoundTrip(int windows, bool attended = false)
    {
        var gate = new object();
        var (asked, answered, ended) = (0L, 0L, false);
        var other = new Thread(() =>
        {
            lock (gate)
            {
                while (!ended)
                {
                    if (asked > answered)
                    {
                        answered++;
                        Monitor.PulseAll(gate);
                    }
                    else
                    {
                        Monitor.Wait(gate);
                    }
                }
            }
        })
        { IsBackground = true, Name = "bare round trip" };
        other.Start();
        var seconds = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                lock (gate)
                {
                    asked++;
                    Monitor.PulseAll(gate);
                    while (!attended && answered < asked)
                    {
                        Monitor.Wait(gate);
                    }
                }

                while (Volatile.Read(ref answered) < asked)
                {
                    Thread.Yield();
                }
            }
        });
        lock (gate)
        {
            ended = true;
            Monitor.PulseAll(gate);
        }

        other.Join();
        return seconds * 1e6;
    }
}
