using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// A coordinator that begins anew, after a crash or on another node, finds a run that goes on without it: workers and
/// partitions need nobody for their steps. It asks the nodes what the run is, reads its folder, and takes over with a new
/// generation. Nothing is lost as long as all partitions are there.
/// </summary>
internal sealed partial class CoordinatorActor
{
    // All nodes register again within two seconds.
    private static readonly TimeSpan RecallLimit = TimeSpan.FromSeconds(5);

    private readonly Dictionary<NodeId, Nodes.Recalled> _recalled = [];
    private TimeSpan? _recallingSince;
    private string? _toldAlone;

    /// <summary>A node has a run that is not known here.</summary>
    private void AskForRun(Nodes.Register registration)
    {
        if (registration.Run is not { } held || held == _run?.Id)
        {
            if (_recallingSince is not null && registration.Run is not null)
            {
                Sender.Tell(new Nodes.Recall(registration.Run.Value));
            }

            return;
        }

        if (_ended.ContainsKey(held))
        {
            Sender.Tell(new Nodes.EndRun(held));
        }
        else if (_run is null)
        {
            Sender.Tell(new Nodes.Recall(held));
        }
    }

    /// <summary>Whoever watches a run may have missed its end, together with the coordinator that told of it.</summary>
    private void Watched(Submissions.Watch watch)
    {
        if (watch.Run == _run?.Id || watch.RunDirectory == _run?.Folder.FullPath)
        {
            // The same run under another name, where it went on after all its nodes had ended.
            _watcher = Sender;
        }
        else if (_ended.GetValueOrDefault(watch.Run) is { } ended)
        {
            Sender.Tell(ended);
        }
        else if (Path.Combine(watch.RunDirectory, "result.json") is var result && File.Exists(result))
        {
            var failure = RunFolder.FailureIn(watch.RunDirectory);
            Sender.Tell(new Submissions.Ended(watch.Run, failure is null, failure, File.ReadAllText(result), watch.RunDirectory));
        }
    }

    private void Recalled(Nodes.Recalled recalled)
    {
        var prepare = recalled.Preparation;
        if (_run is not null && (_run.Id != prepare.Run || _recallingSince is null))
        {
            return;
        }

        if (RunFolder.IsEnded(prepare.RunDirectory))
        {
            // It ended, and this node has missed it.
            _ended[prepare.Run] = null;
            Sender.Tell(new Nodes.EndRun(prepare.Run));
            return;
        }

        _recalled[recalled.Node] = recalled;
        if (_run is not null)
        {
            TakeOver();
        }
        else if (!_starting)
        {
            _starting = true;
            var certificates = _certificates;
            Task.Run(() =>
            {
                if (UsedExtensions.Problem(prepare.Extensions) is { } other)
                {
                    return new Replanned(prepare, null, null, other);
                }

                var result = ExperimentReader.Read(prepare.ExperimentYaml, "experiment.yaml", []);
                var problems = result.Problems.Select(static problem => problem.ToString()).ToList();
                var plan = PlanOf(result.Experiment, prepare.BaseDirectory, prepare.Token, certificates, problems);
                return new Replanned(prepare, plan, plan is null ? null : AsItGoesOn(plan, prepare.RunDirectory), string.Join(' ', problems));
            }).PipeTo(Self, failure: cause => new Replanned(prepare, null, null, cause.Message));
        }
    }

    private void OnReplanned(Replanned replanned)
    {
        _starting = false;
        var prepare = replanned.Prepare;
        if (replanned is not { Plan: { } plan, GoesOn: { } goesOn })
        {
            // Without the data the run cannot be led from here; the nodes go on, and another coordinator may do better.
            Log($"run {prepare.Run} cannot be taken over: {replanned.Problem}");
            return;
        }

        DataSupply? supply = null;
        try
        {
            supply = OpenSupply(plan);
            prepare = prepare with { Data = supply?.Source };
            var unwatched = RunFolder.UnwatchedFor(prepare.RunDirectory);
            var yaml = ExperimentWriter.Write(ExperimentPaths.Absolute(goesOn.Experiment, prepare.BaseDirectory));
            var folder = RunFolder.GoOn(prepare.RunDirectory, yaml, null, out var lines);
            var progress = new RunProgress(plan, folder, Now);
            progress.Resume(0, folder.Memory, lines);
            _run = new ActiveRun(prepare, plan, folder, progress, _roster.ThreadsOf) { LastProgress = Now, Supply = supply, Trace = RunTraces.Begin(prepare, plan) };
            _run.CatchUp(new Generation(folder.Generation), default);
            _run.GoOnWith(goesOn);
            _unnoted = progress.Unnoted(plan.Experiment, goesOn.Experiment);
            _toldKept = (0, -1);
            progress.Failed("the coordinator began anew", Now - unwatched);
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            supply?.Dispose();
            Log($"run {prepare.Run} cannot be taken over: its folder cannot be written: {WriteProblem.Text(problem)}");
            return;
        }

        _recallingSince = Now;
        Notice($"The coordinator began anew at {_address}, and takes over from step {_run.Progress.Step}.");
        foreach (var node in _roster.Nodes)
        {
            node.Reset();
            node.Agent.Tell(prepare);
        }

        TakeOver();
    }

    /// <summary>Once the nodes of all partitions have answered; after a while without those that are missing.</summary>
    private void TakeOver()
    {
        if (_run is not { Phase: RunPhase.Gathering } run || _recallingSince is not { } since)
        {
            return;
        }

        foreach (var node in _roster.Nodes)
        {
            if (_recalled.TryGetValue(node.Id, out var recalled))
            {
                node.Partitions = recalled.Partitions;
                run.CatchUp(recalled.Newest, recalled.Loaded);
            }
        }

        var complete = run.Plan.Ranges.All(range => ServerOf(range.Id) is { Ready: true });
        var enough = _roster.UsableWorkers.Count >= run.Plan.Experiment.Cluster.MinimumWorkers;
        if (!(complete && enough) && Now - since <= RecallLimit)
        {
            return;
        }

        CrashPoint.Reach("coordinator.recall", run.Progress.Step);
        run.Phase = RunPhase.Paused;
        var settled = AreSettled(run);
        EndRecall();
        if (complete && settled)
        {
            run.Progress.Changed(run.Progress.Step, _unnoted);
            _unnoted = [];
            BeginGeneration();
        }
        else if (complete)
        {
            Notice("Settings were being changed when the coordinator died: training goes on with the new ones, from the checkpoint that was made for it.");
            Load();
        }
        else
        {
            ServerLost("a server was lost together with the coordinator");
        }
    }

    /// <summary>
    /// Nodes have other data than is here, such as where its file was replaced meanwhile: the run cannot be led from here. They
    /// go on without a coordinator, and it is tried again when they register.
    /// </summary>
    private void LeaveAlone(string problem)
    {
        var run = _run!;
        if (_toldAlone != problem)
        {
            _toldAlone = problem;
            run.Folder.Log($"the run cannot be taken over, and goes on without a coordinator: {problem}");
        }

        run.Close();
        _run = null;
        EndRecall();
    }

    private void EndRecall()
    {
        _recallingSince = null;
        _recalled.Clear();
    }

    private sealed record Replanned(Nodes.Prepare Prepare, TrainingPlan? Plan, TrainingPlan? GoesOn, string Problem) : INoSerializationVerificationNeeded;
}
