using System.Globalization;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Engine.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace DistributedTrainer.Hosting;

/// <summary>Trains, or is a node of a cluster, for as long as the host runs.</summary>
internal sealed class TrainingService(
    IOptions<DistributedTrainerOptions> settings, TrainingRun run, IServiceProvider services, IHostApplicationLifetime lifetime, ILogger<TrainingService> logger) : BackgroundService
{
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        // What is wrong with the options, or with the files that they name, ends the host before it has begun.
        foreach (var file in settings.Value.Extensions)
        {
            ExtensionRegistry.Load(file);
        }

        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            // The host starts its other services meanwhile.
            await Task.Yield();
            await (settings.Value.IsNode ? BeNode(settings.Value, stoppingToken) : Train(settings.Value, stoppingToken)).ConfigureAwait(false);
        }
        catch (OperationCanceledException stopped) when (stoppingToken.IsCancellationRequested)
        {
            logger.LogInformation("Training was stopped with the host: {Reason}", stopped.Message);
            run.Canceled();
        }
        catch (Exception problem)
        {
            // The host logs it, and stops.
            run.Failed(problem);
            throw;
        }
    }

    private async Task Train(DistributedTrainerOptions options, CancellationToken stop)
    {
        var result = await ResultOf(options, stop).ConfigureAwait(false);
        logger.LogInformation(
            "Trained {Steps} steps in {Seconds} s: test loss {TestLoss}, test accuracy {TestAccuracy}, parameters {Parameters}, in {RunDirectory}",
            result.Steps,
            result.Seconds,
            result.TestLoss,
            result.TestAccuracy,
            result.ParametersSha256,
            result.RunDirectory);
        run.Done(result);
        if (options.StopHost)
        {
            lifetime.StopApplication();
        }
    }

    private async Task<TrainingResult> ResultOf(DistributedTrainerOptions options, CancellationToken stop)
    {
        if (options is { CreateTrainer: null, RunDirectory: { } directory } && RunCheckpoints.ResultOf(directory) is { } known)
        {
            logger.LogInformation("The run in {RunDirectory} is done", directory);
            return TrainingResult.Parse(known, Path.GetFullPath(directory));
        }

        var trainer = options.CreateTrainer?.Invoke(services) ?? TrainerOf(options);
        Tell(trainer);
        return await trainer.RunAsync(stop).ConfigureAwait(false);
    }

    private static Trainer TrainerOf(DistributedTrainerOptions options)
    {
        if (options.RunDirectory is { } directory && RunCheckpoints.CanGoOn(directory))
        {
            return Trainer.Resume(directory, [.. options.Set]);
        }

        var file = options.Experiment!;
        return new Trainer(Trainer.FromFile(file, [.. options.Set]).Experiment)
        {
            BaseDirectory = Path.GetDirectoryName(Path.GetFullPath(file))!,
            RunDirectory = options.RunDirectory,
            ClusterAddress = options.ClusterAddress,
            Host = options.Host,
            TlsDirectory = options.TlsDirectory,
        };
    }

    private void Tell(Trainer trainer)
    {
        trainer.Started += (_, e) => logger.LogInformation("Run folder: {RunDirectory}", e.RunDirectory);
        trainer.StepCompleted += (_, e) => logger.LogDebug("Step {Step} of {Steps}: loss {Loss}", e.Step, e.Steps, e.Loss);
        trainer.EvaluationCompleted += (_, e) => logger.LogInformation(
            "Epoch {Epoch}: validation loss {ValidationLoss}, accuracy {ValidationAccuracy}",
            e.Epoch.ToString("0.##", CultureInfo.InvariantCulture),
            e.ValidationLoss,
            e.ValidationAccuracy);
        trainer.NodeChanged += (_, e) => logger.Log(e.Change == NodeChange.Lost ? LogLevel.Warning : LogLevel.Information, "{Role} {Node}: {Change}", e.Role, e.Node, e.Change);
        trainer.Noticed += (_, e) => logger.LogInformation("{Notice}", e.Text);
    }

    private async Task BeNode(DistributedTrainerOptions options, CancellationToken stop)
    {
        var node = new NodeOptions
        {
            Roles = [.. options.Roles],
            Join = options.Join,
            Host = options.Host ?? LocalAddress.Towards(options.Join),
            Bind = options.Bind,
            Port = options.Port,
            Workers = options.Workers,
            Runs = options.Runs,
            Certificates = options.TlsDirectory is null ? null : NodeCertificates.Load(options.TlsDirectory),
        };
        while (true)
        {
            var host = await NodeHost.StartAsync(node, text => logger.LogInformation("{Text}", text), stop).ConfigureAwait(false);
            await using (host.ConfigureAwait(false))
            {
                run.Node = host;
                logger.LogInformation("Node {Address}, roles {Roles}", host.Address, string.Join(',', node.Roles));
                var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                using (stop.Register(() => stopped.TrySetResult()))
                {
                    if (await Task.WhenAny(stopped.Task, host.Completion).ConfigureAwait(false) == stopped.Task)
                    {
                        await host.SettleAsync().ConfigureAwait(false);
                        host.Stop("the host stops");
                    }
                }

                logger.LogInformation("Node {Address} ends: {Reason}", host.Address, await host.Completion.ConfigureAwait(false));
                run.Node = null;
                if (stop.IsCancellationRequested || host.Return is not { } again)
                {
                    break;
                }

                // The others take it back under its address once they reach it, but not the member that it was.
                node = again;
            }
        }

        run.Canceled();
        if (options.StopHost)
        {
            lifetime.StopApplication();
        }
    }
}
