using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// The cluster's singleton: knows the nodes, owns the assignment of shards and its generation, gathers progress and
/// writes the run folder. It is not in the step loop: workers and partitions go on without it.
/// </summary>
internal sealed class CoordinatorActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(200);

    // What a worker sent before it died has arrived by then; and no worker is assigned more often after it lost a server.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    // With fewer workers than asked for, a run starts after this long (if there are minimum-workers).
    private static readonly TimeSpan GatheringLimit = TimeSpan.FromSeconds(15);

    // Messages may be lost with a connection: what is unanswered for this long is sent again.
    private static readonly TimeSpan Resend = TimeSpan.FromSeconds(2);

    private const int EarlyLines = 1000;

    private readonly NodeRoster _roster = new();
    private readonly string _host;
    private readonly string _address;

    // What was said before there was a run folder to write it to.
    private readonly List<string> _early = [];
    private ActiveRun? _run;
    private IActorRef _watcher = ActorRefs.Nobody;
    private bool _starting;

    public CoordinatorActor()
    {
        var self = Akka.Cluster.Cluster.Get(Context.System).SelfAddress;
        (_host, _address) = (self.Host, $"{self.Host}:{self.Port}");
        Receive<Nodes.Register>(Register);
        Receive<Nodes.Prepared>(IsCurrent, Prepared);
        Receive<Nodes.PrepareFailed>(failed => failed.Run == _run?.Id, failed => Unfit(_roster.Find(failed.Node), $"{failed.Node} cannot prepare the run: {failed.Reason}"));
        Receive<Terminated>(gone => Lose(_roster.Nodes.FirstOrDefault(node => node.Agent.Equals(gone.ActorRef)), "the node left the cluster"));
        Receive<ProcessDied>(died => Lose(_roster.FindProcess(died.ProcessId, _host), died.Reason, down: true));
        Receive<GaveUp>(gaveUp => GiveUp(gaveUp));
        Receive<LogLine>(line => Log($"{line.Source}: {line.Text}"));
        Receive<Submit>(submit => Submit(submit));
        Receive<Planned>(planned => Start(planned));
        Receive<Stop>(stop => stop.Run == _run?.Id, _ => StopRun());
        Receive<Partitions.Fenced>(fenced => fenced.Run == _run?.Id, fenced => Fenced(fenced));
        Receive<Partitions.StepsApplied>(applied => applied.Run == _run?.Id, applied => Applied(applied));
        Receive<Partitions.Evaluated>(evaluated => evaluated.Run == _run?.Id, evaluated => Evaluated(evaluated));
        Receive<Partitions.Failed>(failed => failed.Run == _run?.Id, failed => Fail(failed.Reason));
        Receive<Partitions.LinkLost>(lost => lost.Run == _run?.Id, lost => CutOff(lost));
        Receive<Protocol.Workers.Status>(status => status.Run == _run?.Id, status => Heard(status));
        Receive<Protocol.Workers.LinkLost>(lost => lost.Run == _run?.Id, lost => Reconnect(lost));
        Receive<Protocol.Workers.Failed>(failed => failed.Run == _run?.Id, failed => Fail($"{failed.Worker} failed at step {failed.Step}: {failed.Reason}"));
        Receive<Fetched>(fetched => fetched.Run == _run?.Id, fetched => Finish(fetched));
        Receive<Tick>(_ => OnTick());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private TimeSpan Now => Context.System.Scheduler.MonotonicClock;

    public static Props Props() => Akka.Actor.Props.Create(() => new CoordinatorActor());

    protected override void PreStart() => Timers.StartPeriodicTimer(Tick.Instance, Tick.Instance, TickInterval);

    protected override void PreRestart(Exception reason, object message)
    {
        // Such as a full disk. The run is lost with this actor's state: whoever waits for its end must hear of it.
        if (_run is { } run)
        {
            Tell(run, new Ended(run.Id, false, $"the coordinator failed: {reason.Message}", null, run.Folder.FullPath));
        }

        base.PreRestart(reason, message);
    }

    protected override void PostStop() => _run?.Folder.Dispose();

    private bool IsCurrent(Nodes.Prepared prepared) => prepared.Run == _run?.Id;

    private void Register(Nodes.Register registration)
    {
        Sender.Tell(new Nodes.Registered(registration.Node));
        if (_roster.Find(registration.Node) is { } known)
        {
            if (!known.Agent.Equals(Sender))
            {
                Context.Unwatch(known.Agent);
                known.Agent = Sender;
                Context.Watch(Sender);
            }

            if (_run is { } current && !known.Ready && !known.Unfit)
            {
                // The request, or the answer to it, may have been lost with a connection.
                known.Agent.Tell(current.Prepare);
            }

            return;
        }

        var node = _roster.Add(registration, Sender);
        Context.Watch(Sender);
        Log($"{node.Id} registered: {string.Join(", ", registration.Roles)} at {node.Address}, process {registration.ProcessId}");
        if (_run is { } run)
        {
            node.Agent.Tell(run.Prepare);
        }
    }

    private void Submit(Submit submit)
    {
        if (_run is not null || _starting)
        {
            Sender.Tell(new Rejected([$"The cluster is training {_run?.Id.Value ?? "another experiment"}; one run at a time. Wait for its end."]));
            return;
        }

        _starting = true;
        var submitter = Sender;
        Task.Run(() =>
        {
            var result = ExperimentReader.Read(submit.ExperimentYaml, submit.FileName, []);
            var problems = result.Problems.Select(static problem => problem.ToString()).ToList();

            // The token only keeps runs apart; it decides no bit of the result.
            var token = (ulong)System.Security.Cryptography.RandomNumberGenerator.GetInt32(1, int.MaxValue);
            var plan = result.Experiment is null ? null : TrainingPlan.Create(result.Experiment, submit.BaseDirectory, token, problems);
            return new Planned(submit, submitter, plan, [.. problems]);
        }).PipeTo(Self, failure: cause => new Planned(submit, submitter, null, [cause.Message]));
    }

    private void Start(Planned planned)
    {
        _starting = false;
        if (planned.Plan is not { } plan)
        {
            planned.Submitter.Tell(new Rejected(planned.Problems));
            return;
        }

        var id = new RunId($"{plan.Token:x8}");
        var yaml = ExperimentWriter.Write(plan.Experiment);
        try
        {
            var stamp = DateTimeOffset.UtcNow.ToString("yyyyMMdd-HHmmss", System.Globalization.CultureInfo.InvariantCulture);
            var folder = new RunFolder(planned.Submit.RunDirectory ?? Path.Combine("runs", $"{plan.Experiment.Name}-{stamp}"), yaml);
            _run = new ActiveRun(id, plan, folder, new RunProgress(plan, folder, Now), yaml, planned.Submit) { LastProgress = Now };
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            planned.Submitter.Tell(new Rejected([$"The run folder cannot be written: {problem.Message}"]));
            return;
        }

        foreach (var line in _early)
        {
            _run.Folder.Log(line);
        }

        _early.Clear();
        Log($"run {id}: {plan.Data.Training.Rows} training, {plan.Data.Validation.Rows} validation and {plan.Data.Test.Rows} test rows of {plan.Data.Dataset.Name}, {plan.Model.Layout.Length} parameters, {plan.TotalSteps} steps");
        _watcher = planned.Submitter;
        _watcher.Tell(new Accepted(id, _run.Folder.FullPath));
        if (plan.Data.Preprocessor.ConstantColumns.Count > 0)
        {
            Notice($"Constant in the training rows, and therefore 0: {string.Join(", ", plan.Data.Preprocessor.ConstantColumns)}.");
        }

        foreach (var node in _roster.Nodes)
        {
            node.Reset();
            node.Agent.Tell(_run.Prepare);
        }
    }

    private void Prepared(Nodes.Prepared prepared)
    {
        var (run, node) = (_run!, _roster.Find(prepared.Node));
        if (node is null || node.Ready)
        {
            return;
        }

        if (prepared.DataSha256 != run.Plan.InputsSha256)
        {
            var inputs = run.Plan.Data.Dataset.Name + (run.Plan.Experiment.Model.From is { } from ? $" with {from}" : "");
            Unfit(node, $"{prepared.Node} has read other data than the coordinator: {inputs} has the SHA-256 {prepared.DataSha256} there and {run.Plan.InputsSha256} here. Give all nodes the same files.");
            return;
        }

        (node.Ready, node.DataAddresses) = (true, prepared.DataAddresses);
        if (run.Phase == RunPhase.Gathering)
        {
            TryBegin();
        }
        else if (node.Workers.Count > 0 && run.Phase != RunPhase.Finishing)
        {
            Notice($"{node.Id} joined.");
            BeginGeneration();
        }
    }

    /// <summary>Before the start everybody is counted on; a node that comes later must not end what goes well without it.</summary>
    private void Unfit(NodeEntry? node, string problem)
    {
        if (_run!.Phase == RunPhase.Gathering)
        {
            Fail(problem);
        }
        else if (node is { Unfit: false })
        {
            node.Unfit = true;
            Notice($"Not used: {problem}");
        }
    }

    private void TryBegin()
    {
        var run = _run!;
        var cluster = run.Plan.Experiment.Cluster;
        var servers = _roster.Nodes.Where(static node => node.Ready && node.IsServer).Take(cluster.Servers).ToArray();
        var workers = _roster.UsableWorkers.Count;
        var late = Now - run.Progress.StartedAt > GatheringLimit;
        if (servers.Length < (late ? 1 : cluster.Servers) || workers < (late ? cluster.MinimumWorkers : cluster.Workers))
        {
            return;
        }

        for (var i = 0; i < servers.Length; i++)
        {
            servers[i].Partitions = [.. run.Plan.Ranges.Select(static range => range.Id).Where(id => id % servers.Length == i)];
        }

        BeginGeneration();
    }

    /// <summary>Whoever computes changes: fence all partitions, then assign anew from the version that all have.</summary>
    private void BeginGeneration()
    {
        _run!.NextGeneration();
        SendFences();
    }

    private void SendFences()
    {
        var run = _run!;
        foreach (var server in _roster.Nodes.Where(node => !run.Hosted && node.Partitions.Length > 0))
        {
            // Hosting fences too. Never again once a step may have been made: it would begin at version 0.
            server.Agent.Tell(new Partitions.Host(run.Id, run.Generation, server.Partitions));
        }

        foreach (var partition in run.Unfenced.Where(_ => run.Hosted))
        {
            ServerOf(partition)?.Agent.Tell(new Partitions.Fence(run.Id, new PartitionId(partition), run.Generation));
        }
    }

    private void Fenced(Partitions.Fenced fenced)
    {
        var run = _run!;
        if (!run.Fenced(fenced))
        {
            return;
        }

        var minimum = run.Plan.Experiment.Cluster.MinimumWorkers;
        if (run.Stopping)
        {
            Fetch($"stopped at step {run.CommonVersion} of {run.Plan.TotalSteps}; model.safetensors holds the parameters of that step");
        }
        else if (_roster.UsableWorkers.Count < minimum)
        {
            run.Phase = RunPhase.Paused;
            Notice($"Paused: {_roster.UsableWorkers.Count} workers, cluster.minimum-workers is {minimum}. Training goes on when they are back.");
        }
        else
        {
            run.Progress.GoingOnFrom(run.CommonVersion.Value);
            run.Shards.Rebalance(_roster.UsableWorkers);
            run.Phase = RunPhase.Training;
            Log($"generation {run.Generation} goes on from version {run.CommonVersion}: {string.Join(", ", _roster.UsableWorkers.Select(worker => $"{worker} has shards [{string.Join(' ', run.Shards.ShardsOf(worker))}]"))}");
            SendAssignments();
        }
    }

    private void SendAssignments()
    {
        var run = _run!;
        run.LastProgress = Now;
        var routes = Routes();
        foreach (var worker in _roster.UsableWorkers)
        {
            _roster.NodeOf(worker)!.Agent.Tell(new Protocol.Workers.Assign(run.Id, worker, run.Generation, run.CommonVersion, run.Shards.ShardsOf(worker), routes));
        }
    }

    private Protocol.Workers.Route[] Routes() =>
        [.. from range in _run!.Plan.Ranges
            let server = ServerOf(range.Id)
            where server is not null
            select new Protocol.Workers.Route(new PartitionId(range.Id), server.Id, server.Registration.Host, server.Registration.ProcessId, server.DataAddresses)];

    private NodeEntry? ServerOf(int partition) => _roster.Nodes.FirstOrDefault(node => node.Partitions.Contains(partition));

    private void Applied(Partitions.StepsApplied applied)
    {
        var run = _run!;
        var recoveries = run.Progress.Recoveries.Count;
        run.LastProgress = Now;
        run.Progress.StepsApplied(applied, Now);
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

    private void CutOff(Partitions.LinkLost lost)
    {
        if (_roster.Worker(lost.Worker) is { Usable: true } worker && _run!.Phase != RunPhase.Finishing)
        {
            CutOff(worker, $"connection to {lost.Worker} lost ({lost.Reason})");
        }
    }

    private void CutOff(WorkerEntry worker, string cause)
    {
        (worker.Usable, worker.CutOffAt) = (false, Now);
        WorkersChanged(cause, _run!.Shards.ShardsOf(worker.Id).Length > 0);
    }

    /// <summary>A worker whose connection broke is alive: it gets an assignment again and connects anew.</summary>
    private void Reconnect(Protocol.Workers.LinkLost lost)
    {
        if (_roster.Worker(lost.Worker) is not { } worker || _run!.Phase == RunPhase.Finishing || _roster.Find(lost.Server) is null)
        {
            return;
        }

        var cause = $"{lost.Worker} lost its connection to {lost.Server} ({lost.Reason})";
        if (!(Now - worker.ReconnectedAt < Silence))
        {
            (worker.Usable, worker.ReconnectedAt) = (true, Now);
            WorkersChanged(cause, true);
        }
        else if (worker.Usable)
        {
            // It cannot reach the server at all: the others go on, until it is heard of again.
            CutOff(worker, cause);
        }
    }

    /// <summary>
    /// A worker that was cut off and still reports is alive. Its server and itself both tell of a broken connection, in
    /// any order, so that it may have been given up although it has connected anew.
    /// </summary>
    private void Heard(Protocol.Workers.Status status)
    {
        if (_roster.Worker(status.Worker) is not { } worker)
        {
            return;
        }

        worker.Heard(status, Now);
        if (!worker.Usable && Now - worker.CutOffAt >= Silence && _run!.Phase is RunPhase.Fencing or RunPhase.Training or RunPhase.Paused)
        {
            (worker.Usable, worker.ReconnectedAt) = (true, Now);
            Notice($"{worker.Id} is back.");
            BeginGeneration();
        }
    }

    private void Lose(NodeEntry? node, string reason, bool down = false)
    {
        if (node is null)
        {
            return;
        }

        Context.Unwatch(node.Agent);
        _roster.Remove(node);
        if (down)
        {
            // The process is known to be dead: waiting for the failure detector would keep others from joining.
            Akka.Cluster.Cluster.Get(Context.System).Down(node.Agent.Path.Address);
        }

        if (_run is not { } run || run.Phase == RunPhase.Finishing)
        {
            return;
        }

        if (node.Partitions.Length > 0)
        {
            Fail($"server node {node.Id} died ({reason}) and with it the parameters since the start. Checkpoints are not built yet; start the run again.");
        }
        else if (node.Workers.Count > 0 && run.Phase != RunPhase.Gathering)
        {
            WorkersChanged($"{node.Id} died ({reason})", node.Workers.Any(worker => worker.Usable && run.Shards.ShardsOf(worker.Id).Length > 0));
        }
    }

    private void WorkersChanged(string cause, bool heldShards)
    {
        var run = _run!;
        if (heldShards)
        {
            Notice($"{char.ToUpperInvariant(cause[0])}{cause[1..]}: its shards move.");
            run.Progress.Failed(cause, Now);
            if (run.Phase != RunPhase.Gathering)
            {
                BeginGeneration();
            }
        }
    }

    private void GiveUp(GaveUp gaveUp)
    {
        if (_run is not null && (gaveUp.Role != "worker" || _roster.UsableWorkers.Count == 0))
        {
            Fail($"a {gaveUp.Role} process was not launched again: {gaveUp.Reason}");
        }
    }

    private void StopRun()
    {
        var run = _run!;
        run.Stopping = true;
        if (run.Phase == RunPhase.Gathering)
        {
            Fail("stopped before the first step");
        }
        else if (run.Phase != RunPhase.Finishing)
        {
            BeginGeneration();
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
            .Prepend(new NodeView("coordinator", "coordinator", _host, Environment.ProcessId, run.Phase.ToString().ToLowerInvariant(), [], 0, _address, []))
            .ToArray();
        run.Folder.FlushMetrics();
        run.Folder.Nodes(nodes.Select(static node => new { node.Role, Name = node.Node, node.Host, node.ProcessId, node.Address, node.DataAddresses }));
        var progress = run.Progress;
        _watcher.Tell(new View(
            run.Id, run.Phase.ToString().ToLowerInvariant(), progress.Step, run.Plan.TotalSteps, progress.Epoch, progress.Epochs, progress.Loss,
            progress.Mean(progress.Validation), progress.Accuracy(progress.Validation), progress.RowsPerSecond(Now), (Now - progress.StartedAt).TotalSeconds, nodes));
    }

    private void Log(string text)
    {
        if (_run is { } run)
        {
            run.Folder.Log(text);
        }
        else
        {
            // Nobody reads on for ever in a cluster that waits for work.
            _early.RemoveRange(0, Math.Max(0, _early.Count - EarlyLines));
            _early.Add(text);
        }
    }

    private void Notice(string text)
    {
        Log(text);
        _watcher.Tell(new Notice(_run!.Id, text));
    }

    private sealed record Planned(Submit Submit, IActorRef Submitter, TrainingPlan? Plan, string[] Problems) : INoSerializationVerificationNeeded;

    private sealed record Fetched(RunId Run, FinalParameters? Parameters, string? Failure) : INoSerializationVerificationNeeded;

    private sealed class Tick : INoSerializationVerificationNeeded
    {
        public static readonly Tick Instance = new();
    }
}
