using System.Threading.Channels;

namespace DistributedTrainer.Dashboard.Following;

/// <summary>
/// Reads a run's files again when they change, while anybody looks, and wakes who looks. Nobody is sent anything: a reader
/// takes what is new since its own cursor, so that a slow one is never queued for.
/// </summary>
internal sealed class RunFollower : IDisposable
{
    // A run writes several files several times a second: one look is enough for all of them.
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(100);

    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private readonly List<ChannelWriter<bool>> _readers = [];
    private readonly FolderWatch _watch;

    public RunFollower(string directory)
    {
        Course = new RunCourse(directory);
        _watch = new FolderWatch(directory, () => _signals.Writer.TryWrite(true));
        _ = Follow();
    }

    public RunCourse Course { get; }

    /// <summary>Why the files could not be read; null: they could.</summary>
    public string? Problem { get; private set; }

    /// <summary>Wakes a reader when there may be something new. It must be a channel that drops what it has no room for.</summary>
    public IDisposable Wake(ChannelWriter<bool> reader)
    {
        lock (_gate)
        {
            _readers.Add(reader);
        }

        // Nothing was read while nobody looked.
        Look();
        return new Reader(this, reader);
    }

    public void Dispose()
    {
        _end.Cancel();
        _watch.Dispose();
    }

    private async Task Follow()
    {
        try
        {
            await foreach (var _ in _signals.Reader.ReadAllAsync(_end.Token))
            {
                ChannelWriter<bool>[] readers;
                lock (_gate)
                {
                    readers = [.. _readers];
                }

                if (readers.Length > 0)
                {
                    Look();
                    Array.ForEach(readers, static reader => reader.TryWrite(true));
                    await Task.Delay(Breath, _end.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    private void Look()
    {
        try
        {
            Course.Refresh();
            Problem = null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Problem = problem.Message;
        }
    }

    private sealed class Reader(RunFollower follower, ChannelWriter<bool> writer) : IDisposable
    {
        public void Dispose()
        {
            lock (follower._gate)
            {
                follower._readers.Remove(writer);
            }
        }
    }
}
