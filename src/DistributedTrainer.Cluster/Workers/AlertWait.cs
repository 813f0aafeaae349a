using System.Diagnostics;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// The first moment of a wait: a core that has nothing to do falls asleep, and takes long to wake. So the step thread stays
/// for a while and looks by itself at what comes, but gives the core away, at each look, to any thread that can use it.
/// </summary>
internal sealed class AlertWait(ServerLinks links, WorkerInbox inbox, StepClock clock, Func<bool> changed)
{
    // As long as a server takes for half a million parameters; with more the wake-up matters less.
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(1);

    /// <summary>Returns when it has arrived, or there is no more reason to wait, or it takes long.</summary>
    public void Until(Func<bool> arrived)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            while (Stopwatch.GetElapsedTime(start) < Longest)
            {
                links.Poll();
                if (arrived() || changed() || inbox.Broken is not null)
                {
                    return;
                }

                Thread.Yield();
                clock.Looked();
            }
        }
        finally
        {
            links.Unattend();
        }
    }
}
