using System.Runtime.InteropServices;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Stops a process and lets it run, again and again, until disposed of: as slow as on a machine that has no time for it.</summary>
internal sealed class StoppedProcess : IDisposable
{
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly ManualResetEventSlim _ended = new();
    private readonly Thread _thread;
    private readonly int _process;

    /// <summary>Begins to.</summary>
    /// <param name="process">Its id.</param>
    /// <param name="stopped">How long it is stopped each time.</param>
    /// <param name="running">How long it runs in between.</param>
    public StoppedProcess(int process, TimeSpan stopped, TimeSpan running)
    {
        _process = process;
        _thread = new Thread(() =>
        {
            // Until the process is gone, too.
            while (kill(process, Stop) == 0 && !_ended.Wait(stopped) && kill(process, Continue) == 0 && !_ended.Wait(running))
            {
            }
        })
        { IsBackground = true, Name = $"stops {process}" };
        _thread.Start();
    }

    public void Dispose()
    {
        _ended.Set();
        _thread.Join();
        _ = kill(_process, Continue);
        _ended.Dispose();
    }

    [DllImport("libc")]
    private static extern int kill(int process, int signal);
}
