using DistributedTrainer.Cli.Launching;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>
/// Runs in a cluster of this machine that is there for them, one after the other. One whose processes have died, and are not
/// launched again, ends with the run that it has cost: the next one gets another.
/// </summary>
/// <param name="start">Starts a cluster.</param>
/// <param name="baseDirectory">Where relative paths of experiments start.</param>
/// <param name="notice">Told what a person wants to know.</param>
internal sealed class LocalTrials(Func<Task<LocalCluster>> start, string baseDirectory, Action<string> notice) : ITrialRunner, IDisposable
{
    private LocalCluster? _cluster;

    public void Dispose() => _cluster?.Dispose();

    public async Task<RunOutcome> Run(RungRun due, string runDirectory, CancellationToken cancel)
    {
        _cluster ??= await start();
        var outcome = await new TrialRunner(_cluster.Host, baseDirectory, notice).Run(due, runDirectory, cancel);
        if (outcome.ResultJson is null)
        {
            _cluster.Dispose();
            await _cluster.Host.DisposeAsync();
            _cluster = null;
        }

        return outcome;
    }
}
