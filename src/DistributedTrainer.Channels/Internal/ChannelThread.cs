namespace DistributedTrainer.Channels.Internal;

/// <summary>The threads that belong to channels. They must never wait for one another.</summary>
internal static class ChannelThread
{
    /// <summary>How long Dispose waits for a thread that is held up in a handler.</summary>
    public static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(5);

    [ThreadStatic]
    private static bool _isCurrent;

    /// <summary>True on the reader or writer thread of any channel.</summary>
    public static bool IsCurrent => _isCurrent;

    /// <summary>Until it is disposed of, this thread acts for a channel.</summary>
    public static Role Acting()
    {
        var role = new Role(_isCurrent);
        _isCurrent = true;
        return role;
    }

    /// <summary>A background thread, so that a forgotten channel never keeps the process alive. Not started.</summary>
    public static Thread Create(string name, Action body) => new(() =>
    {
        _isCurrent = true;
        body();
    })
    { IsBackground = true, Name = name };

    /// <summary>
    /// Waits for a thread of a channel that was closed. Two handlers that dispose each other's channels would wait for
    /// ever, so that threads of channels don't wait.
    /// </summary>
    public static void Join(Thread thread)
    {
        if (!IsCurrent && thread.ThreadState.HasFlag(ThreadState.Unstarted) is false) thread.Join(JoinLimit);
    }

    /// <summary>See <see cref="Acting"/>.</summary>
    public readonly ref struct Role(bool before)
    {
        public void Dispose() => _isCurrent = before;
    }
}
