using Akka.Actor;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>How far a run is, up to its result.</summary>
internal sealed partial class CoordinatorActor
{
    private void Applied(Partitions.StepsApplied applied)
    {
        var run = _run!;
        var recoveries = run.Progress.Recoveries.Count;
        run.LastProgress = Now;
        run.Progress.StepsApplied(applied, Now);
        if (ServerOf(PartitionId.Lead.Value) is { } server)
        {
            server.Costs = new StepCosts(run.Progress.Step, 0, 0, 0, 0, applied.AllocatedBytes, 0);
        }

        if (run.Progress.Recoveries.Count > recoveries)
        {
            var recovery = run.Progress.Recoveries[^1];
            Notice($"Going on at step {recovery.Step}, {recovery.Seconds:0.00} s after: {recovery.Cause}.");
        }
    }

    private void Evaluated(Partitions.Evaluated evaluated)
    {
        _run!.LastProgress = Now;
        _run.Progress.Evaluated(evaluated);
        Log(_run.Progress.EvaluationText(evaluated.Version.Value));
        if (_run.Progress.Finished && _run.Phase != RunPhase.Finishing)
        {
            if (evaluated.Version.Value < _run.Plan.TotalSteps)
            {
                Notice($"Stopped early at step {evaluated.Version}: the validation has not become better since step {evaluated.Best}.");
            }

            Fetch(null);
        }
    }

    private void Fetch(string? failure)
    {
        var run = _run!;
        run.Phase = RunPhase.Finishing;
        var (plan, host, routes, generation) = (run.Plan, _host, Routes(), run.Generation.Value);
        var version = failure is null ? run.Progress.KeptVersion : run.CommonVersion.Value;
        Task.Run(() => new Fetched(run.Id, FinalParameters.Fetch(plan, host, routes, generation, version), failure))
            .PipeTo(Self, failure: cause => new Fetched(run.Id, null, cause.Message));
    }

    private void Finish(Fetched fetched)
    {
        var run = _run!;
        if (fetched.Parameters is null)
        {
            Fail(fetched.Failure!);
            return;
        }

        try
        {
            var hash = run.Folder.Model(run.Plan, fetched.Parameters.Parameters, fetched.Parameters.Buffers);
            var result = run.Folder.Result(run.Progress.Result(hash, Now));
            End(fetched.Failure, result);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Fail($"the result could not be written: {problem.Message}");
        }
    }

    private void Fail(string reason) => End(reason, null);

    private void End(string? failure, string? result)
    {
        var run = _run!;
        Publish(run);
        run.Folder.Log(failure ?? "done");
        run.Folder.Dispose();
        Tell(run, new Ended(run.Id, failure is null, failure, result, run.Folder.FullPath));
        _run = null;
    }

    private void Tell(ActiveRun run, Ended ended)
    {
        _watcher.Tell(ended);
        foreach (var node in _roster.Nodes)
        {
            node.Agent.Tell(run.Submission.EndCluster ? new Nodes.Shutdown("the run is over") : new Nodes.EndRun(run.Id));
            node.Reset();
        }
    }

    private void OnTick()
    {
        if (_run is not { } run)
        {
            return;
        }

        if (run.Phase == RunPhase.Gathering)
        {
            TryBegin();
        }
        else if (Now - run.LastProgress > Resend && run.Phase is RunPhase.Fencing or RunPhase.Training)
        {
            run.LastProgress = Now;
            if (run.Phase == RunPhase.Fencing)
            {
                SendFences();
            }
            else
            {
                SendAssignments();
            }
        }

        Publish(run);
    }

    private void Publish(ActiveRun run)
    {
        var nodes = _roster.Nodes.SelectMany(node => node.Views(run.Shards))
            .Prepend(new NodeView("coordinator", "coordinator", _host, Environment.ProcessId, run.Phase.ToString().ToLowerInvariant(), [], 0, _address, [], null))
            .ToArray();
        run.Folder.FlushMetrics();
        run.Folder.Nodes(nodes.Select(static node => new { node.Role, Name = node.Node, node.Host, node.ProcessId, node.Address, node.DataAddresses }));
        var progress = run.Progress;
        _watcher.Tell(new View(
            run.Id, run.Phase.ToString().ToLowerInvariant(), progress.Step, run.Plan.TotalSteps, progress.Epoch, progress.Epochs, progress.Loss,
            progress.Mean(progress.Validation), progress.Accuracy(progress.Validation), progress.RowsPerSecond(Now), progress.StepsPerSecond(Now), (Now - progress.StartedAt).TotalSeconds, nodes));
    }
}
