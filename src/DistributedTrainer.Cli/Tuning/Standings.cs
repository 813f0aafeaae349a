namespace DistributedTrainer.Cli.Tuning;

/// <summary>
/// How a search stands: what is to be run next, and how trials rank. It follows from the results alone, and not from the order in
/// which they came.
/// </summary>
internal sealed class Standings(TrialList list)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Folder, int Rung), RunResult> _results = [];

    /// <summary>Takes a result.</summary>
    public void Add(TrialRun run, int rung, RunResult result)
    {
        lock (_gate)
        {
            _results[(run.Folder, rung)] = result;
        }
    }

    /// <summary>What is to be run before anything else is known; empty: the search is over.</summary>
    public IReadOnlyList<RungRun> Next()
    {
        lock (_gate)
        {
            for (var (rung, left) = (0, list.Trials); rung < list.Rungs.Count && left.Count > 0; left = GoingOn(left, rung++))
            {
                RungRun[] due = [.. left.SelectMany(RunsOf).Where(run => ResultOf(run, rung) is null).Select(run => new RungRun(run, rung, run.UpTo(list.Rungs[rung])))];
                if (due.Length > 0)
                {
                    return due;
                }
            }

            return [];
        }
    }

    /// <summary>The trials whose runs have come to a rung, best first.</summary>
    public IReadOnlyList<TrialResult> Sorted()
    {
        lock (_gate)
        {
            var results = new Dictionary<int, TrialResult>();
            for (var (rung, left) = (0, list.Trials); rung < list.Rungs.Count && left.Count > 0; rung++)
            {
                foreach (var result in left.Select(trial => At(trial, rung)).OfType<TrialResult>())
                {
                    results[result.Trial.Number] = result;
                }

                if (rung == list.Rungs.Count - 1 || !left.All(trial => At(trial, rung) is not null))
                {
                    break;
                }

                var goingOn = GoingOn(left, rung);
                foreach (var stopped in left.Except(goingOn))
                {
                    results[stopped.Number] = results[stopped.Number] with { IsStopped = true };
                }

                left = goingOn;
            }

            return TrialResult.Sorted(results.Values, list.Tune.Metric);
        }
    }

    /// <summary>The best of those that have come to a rung, in their order; what has no finite metric does not go on.</summary>
    private List<Trial> GoingOn(IReadOnlyList<Trial> trials, int rung)
    {
        if (list.Tune.Halving is not { } halving)
        {
            return [];
        }

        var sorted = TrialResult.Sorted(trials.Select(trial => At(trial, rung)!), list.Tune.Metric);
        return [.. sorted.Take(halving.GoingOn(trials.Count)).Where(result => result.IsFinite(list.Tune.Metric)).Select(static result => result.Trial).OrderBy(static trial => trial.Number)];
    }

    private TrialResult? At(Trial trial, int rung)
    {
        RunResult[] runs = [.. RunsOf(trial).Select(run => ResultOf(run, rung)).OfType<RunResult>()];
        return runs.Length == RunsOf(trial).Count ? new TrialResult(trial, runs, rung) : null;
    }

    private IReadOnlyList<TrialRun> RunsOf(Trial trial) => trial.Runs(list.Experiment.Data.Fold);

    /// <summary>A run that came to its end by early stopping is there at each later rung too, as it is.</summary>
    private RunResult? ResultOf(TrialRun run, int rung)
    {
        for (var at = rung; at >= 0; at--)
        {
            if (_results.TryGetValue((run.Folder, at), out var result))
            {
                return at == rung || result is { Paused: null, Failure: null } ? result : null;
            }
        }

        return null;
    }
}
