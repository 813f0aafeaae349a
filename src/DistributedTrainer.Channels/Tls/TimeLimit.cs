using System.Net.Sockets;

namespace DistributedTrainer.Channels.Tls;

/// <summary>
/// Ends the calls on a socket when the time for something is over: a peer that sends a byte now and then of an encrypted
/// record gains nothing by it, as each single call would begin its own time.
/// </summary>
internal sealed class TimeLimit : IDisposable
{
    private readonly Timer _timer;
    private int _ended;

    public TimeLimit(Socket socket, TimeSpan time)
    {
        _timer = new Timer(_ =>
        {
            // Whoever comes first ends it: a timer that is late to get a thread must not cut a connection that is in use.
            if (Interlocked.CompareExchange(ref _ended, 1, 0) != 0) return;
            IsOver = true;
            try { socket.Shutdown(SocketShutdown.Both); }
            catch (Exception e) when (e is SocketException or ObjectDisposedException) { /* Gone already. */ }
        });
        _timer.Change(time, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The calls were ended.</summary>
    public bool IsOver { get; private set; }

    /// <summary>It is done in time. False: it is too late.</summary>
    public bool End() => Interlocked.CompareExchange(ref _ended, 2, 0) != 1;

    public void Dispose()
    {
        End();
        _timer.Dispose();
    }
}
