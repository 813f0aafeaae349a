using System.Globalization;

namespace DistributedTrainer.Soak;

/// <summary>The whole soak: how fast this machine is, the undisturbed run, the disturbed one, and the comparison.</summary>
/// <param name="duration">For how long it is disturbed.</param>
/// <param name="seed">Decides what happens.</param>
/// <param name="closed">Whether the cluster is closed to strangers; its processes then meet as if they were on hosts of their own.</param>
internal sealed class SoakRun(TimeSpan duration, int seed, bool closed) : IAsyncDisposable
{
    // Batch norm over the whole batch, dropout, an evaluation each epoch and a rate that is judged by it.
    private const string Experiment = """
        name: soak
        data: { source: digits, split: { validation: 0.1, test: 0.1, stratify: true }, preprocess: [ scale: 0.0625 ] }
        model: { layers: [ linear: 96, batch-norm, relu, dropout: 0.1, linear: 10 ] }
        optimizer: { kind: adam, learning-rate: 0.003, schedule: { kind: reduce-on-plateau, patience: 50 } }
        training: { epochs: EPOCHS, batch-size: 64, shards: 6 }
        cluster: { workers: 3, servers: 2, partitions: 3, minimum-workers: 1 }
        checkpoint: { every-seconds: 1, keep: 3 }
        """;

    internal const int BatchRows = 64;
    internal const int StepsPerEpoch = 23;

    // Long enough that starting and compiling do not count.
    private const int EpochsOfTheTrial = 1000;

    // Of what the cluster does undisturbed: events should be over before the run is.
    private const double ShareWhileDisturbed = 0.8;
    private const double LeastAccuracy = 0.95;

    // Much longer than any recovery takes.
    private static readonly TimeSpan StillLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(20);

    private readonly string _folder = Directory.CreateTempSubdirectory("dtrain-soak-").FullName;
    private readonly List<(Disturbance What, TimeSpan At)> _events = [];
    private readonly List<string> _problems = [];
    private readonly List<NodeProcess> _runs = [];
    private int _skipped;
    private string? _tls;
    private SoakCluster? _cluster;
    private Watch? _watch;
    private NodeProcess? _submit;

    /// <summary>Soaks.</summary>
    /// <returns>Whether all was well.</returns>
    public async Task<bool> Run(CancellationToken cancel)
    {
        var memoryBefore = Leftovers.SharedMemoryFiles();
        var (quiet, disturbed) = (new RunFiles(Path.Combine(_folder, "quiet")), new RunFiles(Path.Combine(_folder, "disturbed")));
        try
        {
            _tls = closed ? await new ClusterCertificates(_folder).Make("tls") : null;
            var epochs = await Epochs(cancel);
            var experiment = Path.Combine(_folder, "soak.yaml");
            await File.WriteAllTextAsync(experiment, TextHere(epochs), cancel);
            Say($"{epochs * StepsPerEpoch} steps, seed {seed}; everything is in {_folder}");

            // Beside it: a machine that is busy disturbs too, and no bit depends on it.
            var alone = Train("quiet", experiment, quiet.Folder, ["--in-process"], cancel);
            await Disturbed(experiment, disturbed, cancel);
            await alone;
            Compare(quiet, disturbed);
        }
        catch (SoakFailure failure)
        {
            _problems.Add(failure.Message);
        }

        _problems.AddRange(await (_cluster?.End(EndLimit) ?? Task.FromResult<IReadOnlyList<string>>([])));
        await DisposeAsync();
        _problems.AddRange(Leftovers.Of((_cluster?.Lives.Concat(_runs) ?? _runs).Select(static process => process.Id).ToHashSet(), memoryBefore).Select(static left => $"left behind: {left}"));
        if (_watch is not null)
        {
            Report.Print(_events, _skipped, _watch, disturbed, _problems);
        }

        foreach (var problem in _problems)
        {
            Console.WriteLine($"FAILED: {problem}");
        }

        if (_problems.Count == 0 && Environment.GetEnvironmentVariable("SOAK_KEEP") is null)
        {
            Directory.Delete(_folder, recursive: true);
        }

        return _problems.Count == 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }

        foreach (var run in _runs)
        {
            await run.DisposeAsync();
        }
    }

    internal static string Text(long epochs) => Experiment.Replace("EPOCHS", epochs.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    // What stays within a machine is not encrypted, so they are told to go by the network.
    private string TextHere(long epochs) => closed ? Text(epochs).Replace("minimum-workers: 1", "minimum-workers: 1, transport: tcp", StringComparison.Ordinal) : Text(epochs);

    private static void Say(string text) => Console.WriteLine($"{DateTime.Now:HH:mm:ss} {text}");

    /// <summary>As many as this machine trains in the time, judged by a short run with the same processes.</summary>
    private async Task<long> Epochs(CancellationToken cancel)
    {
        var experiment = Path.Combine(_folder, "trial.yaml");
        await File.WriteAllTextAsync(experiment, TextHere(EpochsOfTheTrial), cancel);
        var trial = new RunFiles(Path.Combine(_folder, "trial"));
        await Train("trial", experiment, trial.Folder, NodeProcess.Closed(_tls), cancel);
        var rows = trial.Result.GetProperty("rowsPerSecond").GetDouble();
        var epochs = rows * duration.TotalSeconds * ShareWhileDisturbed / (BatchRows * StepsPerEpoch);
        return Math.Max(EpochsOfTheTrial, (long)epochs);
    }

    private async Task Train(string name, string experiment, string run, string[] more, CancellationToken cancel)
    {
        var process = NodeProcess.Start(name, Path.Combine(_folder, name + ".log"), ["train", experiment, "--run-dir", run, .. more]);
        _runs.Add(process);
        await process.Ended.WaitAsync(cancel);
        if (process.ExitCode != 0)
        {
            throw new SoakFailure($"the {name} run ended with exit code {process.ExitCode}; see {_folder}/{name}.log");
        }
    }

    private async Task Disturbed(string experiment, RunFiles run, CancellationToken cancel)
    {
        var cluster = _cluster = new SoakCluster(_folder, _tls, Say);
        await cluster.Start(cancel);
        _submit = NodeProcess.Start("submit", Path.Combine(_folder, "submit.log"), ["submit", experiment, "--to", cluster.Address, "--run-dir", run.Folder, "--plain", .. NodeProcess.Closed(_tls)]);
        _runs.Add(_submit);
        var watch = _watch = new Watch(() => [.. cluster.Lives, _submit], run);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var watching = watch.Run(over.Token);
        await Until(watch, () => watch.LastProgress > TimeSpan.Zero, cancel);

        // What has begun is brought to its end: nobody is left stopped, and who was killed is back.
        var acts = new List<Task>();
        var (schedule, begin) = (new Schedule(seed), watch.Now);
        while (!_submit.Ended.IsCompleted && watch.Now - begin < duration)
        {
            var next = schedule.Next();
            var due = watch.Now + next.Gap;
            await Until(watch, () => watch.Now >= due, cancel);
            if (_submit.Ended.IsCompleted)
            {
                break;
            }

            if (cluster.Victim(next, (watch.Now - begin) / duration) is { } victim)
            {
                _events.Add((next, watch.Now));
                acts.Add(cluster.Disturb(next, victim, cancel));
            }
            else
            {
                _skipped++;
            }

            CheckActs(acts);
        }

        Say($"No more events after {(watch.Now - begin).TotalSeconds:0} s.");
        if (watch.Now - begin < duration)
        {
            _problems.Add($"the run was over after {(watch.Now - begin).TotalSeconds:0} s of {duration.TotalSeconds:0}: the machine was faster than when it was tried. Soak again.");
        }

        await Task.WhenAll(acts);
        await Until(watch, () => _submit.Ended.IsCompleted, cancel);
        Say($"The run ended after {(watch.Now - begin).TotalSeconds:0} s.");
        await over.CancelAsync();
        await watching;
        if (_submit.ExitCode != 0)
        {
            throw new SoakFailure($"the disturbed run ended with exit code {_submit.ExitCode}; see {_folder}/submit.log");
        }

        void CheckActs(List<Task> begun)
        {
            foreach (var failed in begun.Where(static act => act.IsFaulted))
            {
                throw failed.Exception!.InnerException!;
            }
        }
    }

    /// <summary>Waits, and sees to it that somebody is still at work.</summary>
    private async Task Until(Watch watch, Func<bool> done, CancellationToken cancel)
    {
        var since = watch.Now;
        while (!done() && !_submit!.Ended.IsCompleted)
        {
            if (_cluster!.Missing.FirstOrDefault() is { } missing)
            {
                throw new SoakFailure($"{missing.Name} ended by itself with exit code {missing.ExitCode}; {missing.Ended.Exception?.InnerException?.Message}see {_folder}/{missing.Name}.log");
            }

            if (watch.Now - watch.LastProgress > StillLimit && watch.Now - since > StillLimit)
            {
                throw new SoakFailure($"no progress for {(watch.Now - watch.LastProgress).TotalSeconds:0} s; see {_folder}");
            }

            await Task.Delay(50, cancel);
        }
    }

    private void Compare(RunFiles quiet, RunFiles disturbed)
    {
        if (quiet.Hash != disturbed.Hash)
        {
            _problems.Add($"parametersSha256 is {disturbed.Hash}, and of the quiet run {quiet.Hash}");
        }

        if (RunFiles.Difference(quiet, disturbed) is { } difference)
        {
            _problems.Add(difference);
        }

        if (disturbed.Accuracy < LeastAccuracy || disturbed.Accuracy != quiet.Accuracy)
        {
            _problems.Add($"test accuracy {disturbed.Accuracy}, and of the quiet run {quiet.Accuracy}; {LeastAccuracy} is the least");
        }

        Say($"hash {disturbed.Hash}, test accuracy {disturbed.Accuracy:P2}, {disturbed.Result.GetProperty("steps").GetInt64()} steps");
    }
}
