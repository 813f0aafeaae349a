using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

/// <summary>What a node's time was spent on lately: shares of its steps' time.</summary>
/// <param name="Computing">Products, gradients, rows.</param>
/// <param name="Pushing">Sending gradients.</param>
/// <param name="Waiting">For servers and other workers.</param>
/// <param name="Copying">Parameters that came, to where they are computed with.</param>
internal sealed record TimeShares(double Computing, double Pushing, double Waiting, double Copying);

/// <summary>Makes shares of the costs that a node tells, which are sums since its beginning.</summary>
internal sealed class NodeShares
{
    // In microseconds: shorter ones jump.
    private const long Window = 1_000_000;

    private StepCosts? _from;

    /// <summary>Of the last second of steps; null: it is not known.</summary>
    public TimeShares? Latest { get; private set; }

    /// <summary>A node tells its costs.</summary>
    public void Heard(StepCosts? costs)
    {
        if (costs is null)
        {
            return;
        }

        if (_from is not { } from || costs.Steps < from.Steps)
        {
            // The first that is heard, or it began anew.
            _from = costs;
        }
        else if (All(costs) - All(from) is var all && all >= Window)
        {
            Latest = new TimeShares(
                (double)(costs.Computing - from.Computing) / all, (double)(costs.Pushing - from.Pushing) / all,
                (double)(costs.Waiting - from.Waiting) / all, (double)(costs.Copying - from.Copying) / all);
            _from = costs;
        }
    }

    private static long All(StepCosts costs) => costs.Computing + costs.Pushing + costs.Waiting + costs.Copying;
}
