using Akka.Actor;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// The cluster's singleton: knows the nodes, owns the assignment of shards and its generation, gathers progress and
/// writes the run folder. It is not in the step loop: workers and partitions go on without it. Here: nodes and
/// submissions; beside it: who computes what in which generation, and progress up to the result.
/// </summary>
internal sealed partial class CoordinatorActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(200);

    // With fewer workers than asked for, a run starts after this long (if there are minimum-workers).
    private static readonly TimeSpan GatheringLimit = TimeSpan.FromSeconds(15);

    // Messages may be lost with a connection: what is unanswered for this long is sent again.
    private static readonly TimeSpan Resend = TimeSpan.FromSeconds(2);

    private const int EarlyLines = 1000;

    private readonly NodeRoster _roster = new();
    private readonly StandingOrders? _orders;
    private readonly string? _bind;
    private readonly ILogger _logger;
    private readonly NodeFigures _figures;
    private readonly NodeCertificates? _certificates;
    private readonly string _runs;
    private readonly string _host;
    private readonly string _address;

    // What was said before there was a run folder to write it to.
    private readonly List<string> _early = [];
    private ActiveRun? _run;
    private IActorRef _watcher = ActorRefs.Nobody;
    private bool _starting;
    private int _supplies;

    // Nodes by their process, lost before their launcher told of what they died.
    private readonly Dictionary<int, NodeId> _downed = [];

    // Whoever still has one of these has missed its end. Null: it was another coordinator that ended it.
    private readonly Dictionary<RunId, Ended?> _ended = [];

    public CoordinatorActor(string runs, StandingOrders? orders, string? bind, NodeCertificates? certificates, ILogger? logger, NodeFigures? figures)
    {
        (_logger, _figures) = (logger ?? NullLogger.Instance, figures ?? NodeFigures.Nobody);
        (_runs, _orders, _bind, _certificates) = (runs, orders, bind, certificates);
        var self = Akka.Cluster.Cluster.Get(Context.System).SelfAddress;
        (_host, _address) = (self.Host, $"{self.Host}:{self.Port}");
        Receive<Nodes.Register>(Register);
        Receive<Nodes.Recorded>(recorded => recorded.Run == _run?.Id, recorded => _run!.Timeline.Add(recorded));
        Receive<Nodes.Prepared>(IsCurrent, Prepared);
        Receive<Nodes.PrepareFailed>(failed => failed.Run == _run?.Id, failed => Unfit(_roster.Find(failed.Node), $"{failed.Node} cannot prepare the run: {failed.Reason}"));
        Receive<Terminated>(gone => Lose(_roster.Nodes.FirstOrDefault(node => node.Agent.Equals(gone.ActorRef)), "the node left the cluster"));
        Receive<Akka.Cluster.ClusterEvent.MemberDowned>(downed => Downed(downed.Member.Address));
        Receive<ProcessDied>(died => Died(died));
        Receive<GaveUp>(gaveUp => GiveUp(gaveUp));
        Receive<LogLine>(line => Log($"{line.Source}: {line.Text}"));
        Receive<Submit>(submit => Submit(submit, Sender));
        Receive<Planned>(planned => Start(planned));
        Receive<Change>(OnChange);
        Receive<Stop>(stop => stop.Run == _run?.Id, _ => StopRun());
        Receive<Partitions.Fenced>(fenced => fenced.Run == _run?.Id, fenced => Fenced(fenced));
        Receive<Partitions.StepsApplied>(applied => applied.Run == _run?.Id, applied => Applied(applied));
        Receive<Partitions.Evaluated>(evaluated => evaluated.Run == _run?.Id, evaluated => Evaluated(evaluated));
        Receive<Partitions.Measured>(measured => measured.Run == _run?.Id, Measured);
        Receive<Partitions.NotFinite>(found => found.Run == _run?.Id, found => NotFinite(found));
        Receive<Protocol.Workers.NotFinite>(found => found.Run == _run?.Id, found => _run!.NonFinite.Found(found));
        Receive<Partitions.Failed>(failed => failed.Run == _run?.Id, failed => Fail(failed.Reason));
        Receive<Partitions.LinkLost>(lost => lost.Run == _run?.Id, lost => CutOff(lost));
        Receive<Protocol.Workers.Status>(status => status.Run == _run?.Id, status => Heard(status));
        Receive<Protocol.Workers.Brought>(brought => brought.Run == _run?.Id, RowsBrought);
        Receive<Protocol.Workers.Described>(seen => seen.Run == _run?.Id, seen => _run!.Described.Described(_run.Plan, seen.Version.Value, seen.Tensors));
        Receive<Protocol.Workers.LinkLost>(lost => lost.Run == _run?.Id, lost => Reconnect(lost));
        Receive<Protocol.Workers.Failed>(failed => failed.Run == _run?.Id, failed => Fail($"{failed.Worker} failed at step {failed.Step}: {failed.Reason}"));
        Receive<Partitions.Hosted>(hosted => hosted.Run == _run?.Id, hosted => Hosted(hosted));
        Receive<Partitions.SnapshotTaken>(taken => taken.Run == _run?.Id, taken => SnapshotTaken(taken));
        Receive<Loaded>(loaded => loaded.Run == _run?.Id, loaded => OnLoaded(loaded));
        Receive<Brought>(brought => OnBrought(brought));
        Receive<Written>(written => written.Run == _run?.Id, written => OnWritten(written));
        Receive<FetchDue>(
            due => due.Run == _run?.Id && due.Attempt == _run.Attempt && _run.Phase == RunPhase.Finishing, due => Fetch(due.Stopped, due.Version));
        Receive<Nodes.Recalled>(recalled => Recalled(recalled));
        Receive<Replanned>(replanned => OnReplanned(replanned));
        Receive<Watch>(Watched);
        Receive<RunFiles.AskRuns>(ask => ShowFiles(shelf => shelf.List(ask.After)));
        Receive<RunFiles.AskNews>(ask => ShowFiles(shelf => shelf.News(ask)));
        Receive<FilesRead>(OnFilesRead);
        Receive<Fetched>(fetched => fetched.Run == _run?.Id, fetched => Finish(fetched));
        Receive<LeaveInOrder>(_ => Wait(Left.Instance));
        Receive<Nodes.Leaving>(leaving => Leaving(leaving));
        Receive<Tick>(_ => OnTick());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private TimeSpan Now => Context.System.Scheduler.MonotonicClock;

    /// <param name="runs">The folder for runs that name none.</param>
    /// <param name="orders">What it does by itself; null: nothing.</param>
    /// <param name="bind">Where its data plane listens; null: at the host's name.</param>
    /// <param name="certificates">Of this node, where the network is encrypted.</param>
    /// <param name="logger">Told what becomes of runs; null: nobody.</param>
    /// <param name="figures">Of this node; null: nobody reads them.</param>
    public static Props Props(string runs = "runs", StandingOrders? orders = null, string? bind = null, NodeCertificates? certificates = null, ILogger? logger = null, NodeFigures? figures = null) =>
        Akka.Actor.Props.Create(() => new CoordinatorActor(runs, orders, bind, certificates, logger, figures));

    protected override void PreStart()
    {
        _begunAt = Now;
        Timers.StartPeriodicTimer(Tick.Instance, Tick.Instance, TickInterval);
        Akka.Cluster.Cluster.Get(Context.System).Subscribe(
            Self, Akka.Cluster.ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(Akka.Cluster.ClusterEvent.MemberDowned));
    }

    protected override void PostStop()
    {
        Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);
        _run?.Close();
        _figures.Coordinated = null;
    }

    private bool IsCurrent(Nodes.Prepared prepared) => prepared.Run == _run?.Id;

    private void Register(Nodes.Register registration)
    {
        Sender.Tell(new Nodes.Registered(registration.Node, registration.SentAt, NodeClock.Now));
        AskForRun(registration);
        if (_roster.Find(registration.Node) is { } former && !former.Agent.Equals(Sender))
        {
            // In a container each process has the number and the port of the one before it.
            Lose(former, "another process came in its place");
        }

        if (_roster.Find(registration.Node) is { } known)
        {
            if (_run is { } current && !known.Ready && !known.IsUnfit)
            {
                // The request, or the answer to it, may have been lost with a connection.
                known.Agent.Tell(current.Prepare);
            }

            NoteHolder(registration);
            return;
        }

        var node = _roster.Add(registration, Sender);
        Context.Watch(Sender);
        Log($"{node.Id} registered: {string.Join(", ", registration.Roles)} at {node.Address}, process {registration.ProcessId}");
        if (_run is { } run)
        {
            node.Agent.Tell(run.Prepare);
        }

        NoteHolder(registration);
    }

    private void Submit(Submit submit, IActorRef submitter)
    {
        if (_run is not null || _starting)
        {
            submitter.Tell(new Rejected([$"The cluster is training {_run?.Id.Value ?? "another experiment"}; one run at a time. Wait for its end."]));
            return;
        }

        _starting = true;
        var certificates = _certificates;
        Task.Run(() =>
        {
            var result = ExperimentReader.Read(submit.ExperimentYaml, submit.FileName, []);
            var problems = result.Problems.Select(static problem => problem.ToString()).ToList();

            // It lets nodes of this run in on the data plane and nobody else; it decides no bit of the result.
            var token = BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(sizeof(ulong)));
            var plan = PlanOf(result.Experiment, submit.BaseDirectory, token, certificates, problems);
            var warnings = new List<string>();
            var from = plan is not null && submit.Resume ? ResumePoint.Find(plan, submit.RunDirectory!, warnings, problems) : null;
            return new Planned(submit, submitter, problems.Count == 0 ? plan : null, from, [.. warnings], [.. problems]);
        }).PipeTo(Self, failure: cause => new Planned(submit, submitter, null, null, [], [cause.Message]));
    }

    /// <summary>A plan whose connections are those of this node, as are those of all that are made of it.</summary>
    private static TrainingPlan? PlanOf(Experiment? experiment, string baseDirectory, ulong token, NodeCertificates? certificates, List<string> problems)
    {
        var plan = experiment is null ? null : TrainingPlan.Create(experiment, baseDirectory, token, problems);
        if (plan is not null)
        {
            plan.Certificates = certificates;
        }

        return plan;
    }

    private void Start(Planned planned)
    {
        _starting = false;
        if (planned.Plan is not { } plan)
        {
            Reject(planned, planned.Problems);
            return;
        }

        var submit = planned.Submit;
        DataSupply? supply;
        try
        {
            supply = OpenSupply(plan);
        }
        catch (IOException problem)
        {
            planned.Submitter.Tell(new Rejected([$"Nodes without the data could not be sent any: {problem.Message}"]));
            return;
        }

        try
        {
            var stamp = DateTimeOffset.UtcNow.ToString("yyyyMMdd-HHmmss", System.Globalization.CultureInfo.InvariantCulture);
            var directory = Path.GetFullPath(submit.RunDirectory ?? RunFolder.Unused(Path.Combine(_runs, $"{plan.Experiment.Name}-{stamp}")));
            var yaml = ExperimentWriter.Write(ExperimentPaths.Absolute(plan.Experiment, submit.BaseDirectory));
            IReadOnlyList<MetricLine> lines = [];
            var folder = submit.Resume
                ? RunFolder.GoOn(directory, yaml, planned.From?.Step ?? 0, out lines, planned.From is { } at && (at.Manifest.Progress.Finished || (plan.PausesAt(at.Step) && at.Manifest.Progress.Last?.Version == at.Step)))
                : RunFolder.Create(directory, yaml);
            var progress = new RunProgress(plan, folder, Now);
            progress.Resume(planned.From?.Step ?? 0, planned.From?.Manifest.Progress, lines);
            if (planned.From is { } checkpoint && progress.Unnoted(OrderSection.TrainedLast(plan.Experiment, checkpoint.Orders), plan.Experiment) is { Length: > 0 } changes)
            {
                progress.Changed(checkpoint.Step, changes);
            }

            var prepare = new Nodes.Prepare(new RunId(System.Security.Cryptography.RandomNumberGenerator.GetHexString(8, lowercase: true)), plan.Token, ExperimentWriter.Write(plan.Experiment), submit.BaseDirectory, folder.FullPath, submit.EndCluster, supply?.Source, UsedExtensions.Of(plan.Experiment));
            _run = new ActiveRun(prepare, plan, folder, progress, _roster.ThreadsOf) { LastProgress = Now, From = planned.From, Supply = supply, Trace = RunTraces.Begin(prepare, plan) };
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            supply?.Dispose();
            Reject(planned, [$"The run folder cannot be written: {WriteProblem.Text(problem)}"]);
            return;
        }

        foreach (var line in _early)
        {
            _run.Folder.Log(line);
        }

        _early.Clear();
        _toldKept = _run.Progress.Known;
        Log($"run {_run.Id}: {plan.Data.Training.Rows} training, {plan.Data.Validation.Rows} validation and {plan.Data.Test.Rows} test rows of {plan.Data.Dataset.Name}, {plan.Model.Layout.Length} parameters, {plan.TotalSteps} steps");
        _watcher = planned.Submitter;
        _watcher.Tell(new Accepted(_run.Id, _run.Folder.FullPath));
        Told($"Run folder: {_run.Folder.FullPath}");
        if (submit.Resume)
        {
            Notice(planned.From is { } from ? $"Going on from the checkpoint of step {from.Step} of {plan.TotalSteps}." : "There is no checkpoint yet: training begins anew.");
        }

        foreach (var warning in planned.Warnings)
        {
            Notice($"Warning: {warning}");
        }

        foreach (var warning in PlanWarnings.Of(plan))
        {
            Notice(warning);
        }

        foreach (var node in _roster.Nodes)
        {
            node.Reset();
            node.Agent.Tell(_run.Prepare);
        }
    }

    /// <summary>Opens the doors for nodes without the data. Each attempt has names of its own.</summary>
    private DataSupply? OpenSupply(TrainingPlan plan)
    {
        var self = Self;
        return DataSupply.Open(
            plan, _host, $"data-{_address.Split(':')[^1]}-{Environment.ProcessId}-{++_supplies}", text => self.Tell(new LogLine("data plane", text), ActorRefs.NoSender), _bind);
    }

    private void Reject(Planned planned, string[] problems)
    {
        planned.Submitter.Tell(new Rejected(problems));
        Told($"{planned.Submit.FileName} is not trained: {string.Join(' ', problems)}", LogLevel.Error);
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
            var files = run.Plan.Data.Dataset.Name + (run.Plan.Experiment.Model.From is { } from ? $" with {from}" : "");
            Unfit(node, $"{prepared.Node} has read other data than the coordinator: {files} has the SHA-256 {prepared.DataSha256} there and {run.Plan.InputsSha256} here. Give all nodes the same file.");
            return;
        }

        (node.Ready, node.FetchesRows, node.DataAddresses) = (true, prepared.FetchesRows, prepared.DataAddresses);
        if (prepared.Supplied is { } supplied)
        {
            Notice($"{prepared.Node}: {supplied}.");
        }

        if (run.Phase == RunPhase.Gathering && _recallingSince is not null)
        {
            TakeOver();
        }
        else if (run.Phase == RunPhase.Gathering)
        {
            TryBegin();
        }
        else if (node.IsServer && run is { Phase: RunPhase.Loading, IsStateKnown: true })
        {
            BeginLoaded();
        }
        else if (node.Workers.Count > 0 && run.Phase != RunPhase.Finishing)
        {
            Notice($"{node.Id} joined.");
            MoveShards();
        }
    }

    private void Log(string text)
    {
        _logger.Say(LogLevel.Debug, text);
        Keep(text);
    }

    /// <summary>For the run's log.</summary>
    private void Keep(string text)
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
        Keep(text);
        Told(text, text.StartsWith("Warning: ", StringComparison.Ordinal) ? LogLevel.Warning : LogLevel.Information);
        _watcher.Tell(new Notice(_run!.Id, text));
    }

    /// <summary>For whoever stands beside this node, or reads its log.</summary>
    private void Told(string text, LogLevel level = LogLevel.Information)
    {
        _orders?.Told(text);
        _logger.Say(level, text);
    }

    private sealed record Planned(Submit Submit, IActorRef Submitter, TrainingPlan? Plan, Checkpoint? From, string[] Warnings, string[] Problems) : INoSerializationVerificationNeeded;

    private sealed record Fetched(RunId Run, int Attempt, long Version, FinalParameters? Parameters, string? Stopped, string? Problem) : INoSerializationVerificationNeeded;

    private sealed class Tick : INoSerializationVerificationNeeded
    {
        public static readonly Tick Instance = new();
    }
}
