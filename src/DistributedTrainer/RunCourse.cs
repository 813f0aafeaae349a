using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;

namespace DistributedTrainer;

/// <summary>A run from its submission to its end, as the coordinator tells of it.</summary>
/// <param name="node">Where it is submitted.</param>
/// <param name="trainer">Told of what happens.</param>
/// <param name="from">The step that it goes on from; 0: it begins.</param>
internal sealed class RunCourse(NodeHost node, Trainer trainer, long from)
{
    private readonly Lock _gate = new();
    private readonly NodeWatch _nodes = new();
    private RunId? _run;
    private string? _runDirectory;
    private MetricsTail? _metrics;
    private long _steps;
    private bool _stops;

    /// <summary>Submits and waits for the end; on cancellation the run is stopped first.</summary>
    public async Task<TrainingResult> FollowAsync(Submissions.Submit submission, CancellationToken cancel)
    {
        using var stop = cancel.Register(Stop);
        await foreach (var message in node.Submit(submission, CancellationToken.None).ConfigureAwait(false))
        {
            switch (message)
            {
                case Submissions.Accepted accepted:
                    Begin(accepted);
                    break;
                case Submissions.View view:
                    See(view);
                    break;
                case Submissions.Notice notice:
                    trainer.Tell(new RunNotice(notice.Text));
                    break;
                case Submissions.Rejected rejected:
                    throw new InvalidExperimentException(rejected.Problems);
                case Submissions.Ended ended:
                    return End(ended, cancel);
            }
        }

        throw new TrainingFailedException("This process was taken out of the cluster, and hears nothing more of the run. The run may go on: its folder shows it.", _runDirectory);
    }

    private void Begin(Submissions.Accepted accepted)
    {
        _runDirectory = accepted.RunDirectory;
        _metrics = new MetricsTail(accepted.RunDirectory, from, trainer.Tell, trainer.Tell);
        lock (_gate)
        {
            _run = accepted.Run;
            if (_stops)
            {
                node.Tell(new Submissions.Stop(accepted.Run));
            }
        }

        trainer.Tell(new RunStarted(accepted.RunDirectory));
    }

    private void See(Submissions.View view)
    {
        _steps = view.Steps;
        _metrics?.Read(_steps);
        foreach (var change in _nodes.Changes(view))
        {
            trainer.Tell(change);
        }
    }

    private TrainingResult End(Submissions.Ended ended, CancellationToken cancel)
    {
        _metrics?.Read(_steps);
        if (ended is { Succeeded: true, ResultJson: { } result })
        {
            return TrainingResult.Parse(result, ended.RunDirectory);
        }

        var reason = ended.Failure ?? "the run ended without a result";
        throw cancel.IsCancellationRequested ? new TrainingCanceledException(reason, ended.RunDirectory, cancel) : new TrainingFailedException(reason, ended.RunDirectory);
    }

    private void Stop()
    {
        lock (_gate)
        {
            _stops = true;
            if (_run is { } run)
            {
                node.Tell(new Submissions.Stop(run));
            }
        }
    }
}
