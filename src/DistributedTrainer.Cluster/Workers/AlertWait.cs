using System.Diagnostics;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// The first moment of a wait: a core that has nothing to do falls asleep, and takes long to wake. So the step thread stays
/// for a while and looks by itself at what comes, but gives the core away, at each look, to any thread that can use it.
/// </summary>
internal sealed class AlertWait(TimeSpan longest, ServerLinks links, WorkerInbox inbox, StepClock clock, Func<bool> changed)
{
    /// <summary>Returns when it has arrived, or there is no more reason to wait, or it takes long.</summary>
    /// <param name="arrived">Whether it has.</param>
    /// <param name="byServer">Whether it comes from a server: what comes is handed over here, too.</param>
    public void Until(Func<bool> arrived, bool byServer = true)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            while (Stopwatch.GetElapsedTime(start) < longest)
            {
                if (byServer)
                {
                    links.Poll();
                }

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
