using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace DistributedTrainer.Hosting;

/// <summary>
/// How a host's training, or node, is: unhealthy once it has failed, degraded where a node looks for its cluster.
/// <code>builder.Services.AddHealthChecks().AddCheck&lt;TrainingHealthCheck&gt;("training");</code>
/// </summary>
/// <param name="run">Of <c>AddDistributedTrainer</c>.</param>
public sealed class TrainingHealthCheck(TrainingRun run) : IHealthCheck
{
    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (run.Result.IsFaulted)
        {
            return HealthCheckResult.Unhealthy(run.Result.Exception!.GetBaseException().Message);
        }

        if (run.Node is not { } node)
        {
            return HealthCheckResult.Healthy();
        }

        var condition = await node.CheckAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        return condition.IsReady ? HealthCheckResult.Healthy(condition.Text)
            : condition.IsAlive ? HealthCheckResult.Degraded(condition.Text)
            : HealthCheckResult.Unhealthy(condition.Text);
    }
}
