using System.Globalization;
using System.Text.Json;

namespace DistributedTrainer.Soak.Network;

/// <summary>Cases, one after the other: each with a network and a cluster of its own, and a run that must come to the bits of a quiet one.</summary>
/// <param name="prefix">Of the names of namespaces.</param>
/// <param name="seed">Decides which frames are lost.</param>
/// <param name="closed">Whether the cluster is closed to strangers: each host then has a certificate for its own address.</param>
/// <param name="cases">Which.</param>
internal sealed class NetworkRun(string prefix, int seed, bool closed, IReadOnlyList<NetworkCase> cases)
{
    private const long EpochsOfTheTrial = 100;
    private const long EpochsAtTheEnd = 20;
    private const long EpochsOfBadNetworks = 2;

    // Undisturbed. An absence takes half of it, and whatever joins again is to train.
    private const double Seconds = 45;

    // Much longer than any recovery takes.
    private static readonly TimeSpan StillLimit = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan RunLimit = TimeSpan.FromSeconds(300);
    private static readonly TimeSpan TrialLimit = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(20);

    private readonly string _folder = Directory.CreateTempSubdirectory("dtrain-network-").FullName;
    private readonly List<NodeProcess> _runs = [];
    private readonly List<string> _problems = [];

    /// <summary>Runs all.</summary>
    /// <returns>Whether all was well.</returns>
    public async Task<bool> Run(CancellationToken cancel)
    {
        var rows = new List<string[]>();
        foreach (var one in cases)
        {
            if (VirtualNetwork.ProblemOf(one.Kind) is { } missing)
            {
                rows.Add([one.Name, one.What, "left out: " + missing, "", "", ""]);
                continue;
            }

            Say($"{one.Name}: {one.What}");
            rows.Add(await Case(one, cancel));
        }

        Print([["case", "what", "still (s)", "recoveries", "again (s)", "hash equal"], .. rows]);
        Console.WriteLine("still: the longest time without a step told, from the fault on. again: from the end of the run to the end of a small one that needs all workers.");
        _problems.ForEach(static problem => Console.WriteLine($"FAILED: {problem}"));
        if (_problems.Count == 0 && Environment.GetEnvironmentVariable("SOAK_KEEP") is null)
        {
            Directory.Delete(_folder, recursive: true);
        }

        return _problems.Count == 0;
    }

    private static void Say(string text) => Console.WriteLine($"{DateTime.Now:HH:mm:ss} {text}");

    private static void Print(IReadOnlyList<string[]> rows)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(row => row[i].Length)).ToArray();
        foreach (var row in rows)
        {
            Console.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }
    }

    private async Task<string[]> Case(NetworkCase one, CancellationToken cancel)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, one.Name)).FullName;
        string[] row = [one.Name, one.What, "", "", "", "no"];
        await using var network = await VirtualNetwork.Create(prefix, NetworkCluster.Hosts, one.Kind, seed);
        await using var cluster = new NetworkCluster(network, folder, closed);
        try
        {
            await cluster.Start(cancel);
            await Whole(cluster, folder, "trial", EpochsOfTheTrial, cancel);
            var epochs = one.IsLong ? (long)Math.Ceiling(Rate(folder) * Seconds / SoakRun.StepsPerEpoch) : EpochsOfBadNetworks;
            var (experiment, quiet, run) = (Path.Combine(folder, "run.yaml"), new RunFiles(Path.Combine(folder, "quiet")), new RunFiles(Path.Combine(folder, "run")));
            await File.WriteAllTextAsync(experiment, SoakRun.Text(epochs), cancel);
            await Ended(Train(folder, experiment, quiet.Folder), RunLimit, cancel);
            await Disturbed(one, cluster, Submit(cluster, folder, "submit", experiment, run), run, row, cancel);
            row[3] = $"{run.Recoveries.Count}";
            row[5] = run.Hash == quiet.Hash ? "yes" : "no";
            if (run.Hash != quiet.Hash || RunFiles.Difference(quiet, run) is not null)
            {
                throw new SoakFailure($"parametersSha256 is {run.Hash}, and of the quiet run {quiet.Hash}; {RunFiles.Difference(quiet, run) ?? "all metrics are the same"}");
            }

            var since = DateTime.UtcNow;
            await Whole(cluster, folder, "again", EpochsAtTheEnd, cancel);
            row[4] = (DateTime.UtcNow - since).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        }
        catch (SoakFailure failure)
        {
            _problems.Add($"{one.Name}: {failure.Message}; see {folder}");
        }

        var problems = await cluster.End(EndLimit);
        _problems.AddRange(problems.Select(problem => $"{one.Name}: {problem}; see {folder}"));
        foreach (var left in _runs)
        {
            await left.DisposeAsync();
        }

        _runs.Clear();
        return row;
    }

    /// <summary>A run that needs all workers: everybody is there.</summary>
    private async Task Whole(NetworkCluster cluster, string folder, string name, long epochs, CancellationToken cancel)
    {
        var experiment = Path.Combine(folder, name + ".yaml");
        await File.WriteAllTextAsync(experiment, SoakRun.Text(cluster.Network.Kind != LinkKind.Bad ? epochs : 1).Replace("minimum-workers: 1", "minimum-workers: 3", StringComparison.Ordinal), cancel);
        await Ended(Submit(cluster, folder, name, experiment, new RunFiles(Path.Combine(folder, name))), TrialLimit, cancel);
    }

    /// <summary>Steps a second, once code is compiled and pools have their size.</summary>
    private static double Rate(string folder) => File.ReadLines(new RunFiles(Path.Combine(folder, "trial")).Metrics)
        .Select(static line => JsonDocument.Parse(line).RootElement)
        .Max(static line => line.TryGetProperty("rowsPerSecond", out var rows) ? rows.GetDouble() / SoakRun.BatchRows : 0);

    private async Task Disturbed(NetworkCase one, NetworkCluster cluster, NodeProcess submit, RunFiles run, string[] row, CancellationToken cancel)
    {
        var watch = new Watch(() => [.. cluster.Lives, submit], run);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var watching = watch.Run(over.Token);
        try
        {
            await Until(() => watch.LastProgress > TimeSpan.Zero);
            var begin = watch.Now;
            var act = one.Do(cluster, cancel);
            await Until(() => act.IsCompleted);
            if (!act.IsCompleted)
            {
                throw new SoakFailure("the run ended before the network was whole again");
            }

            await act;
            Say($"  whole again after {(watch.Now - begin).TotalSeconds:0} s");
            await Until(() => submit.Ended.IsCompleted);
            Say($"  the run ended after {(watch.Now - begin).TotalSeconds:0} s");
            row[2] = (watch.Standstill(begin, watch.Now) ?? double.NaN).ToString("0.0", CultureInfo.InvariantCulture);
        }
        finally
        {
            await over.CancelAsync();
            await watching;
        }

        if (submit.ExitCode != 0)
        {
            throw new SoakFailure($"submit ended with exit code {submit.ExitCode}");
        }

        async Task Until(Func<bool> done)
        {
            while (!done() && !submit.Ended.IsCompleted)
            {
                if (cluster.Missing.FirstOrDefault() is { } missing)
                {
                    throw new SoakFailure($"{missing.Name} ended by itself with exit code {missing.ExitCode}");
                }

                if (watch.Now - watch.LastProgress > StillLimit || watch.Now > RunLimit)
                {
                    throw new SoakFailure($"no end after {watch.Now.TotalSeconds:0} s; no progress for {(watch.Now - watch.LastProgress).TotalSeconds:0} s");
                }

                await Task.Delay(50, cancel);
            }
        }
    }

    private NodeProcess Train(string folder, string experiment, string run) =>
        Add(NodeProcess.Start("quiet", Path.Combine(folder, "quiet.log"), "train", experiment, "--run-dir", run, "--in-process", "--plain"));

    private NodeProcess Submit(NetworkCluster cluster, string folder, string name, string experiment, RunFiles run) => Add(NodeProcess.StartOn(
        cluster.Network.On(NetworkCluster.Coordinator), name, Path.Combine(folder, name + ".log"), ["submit", experiment, "--to", cluster.Address, "--run-dir", run.Folder, "--plain", .. NodeProcess.Closed(cluster.Certificates)]));

    private NodeProcess Add(NodeProcess process)
    {
        _runs.Add(process);
        return process;
    }

    private static async Task Ended(NodeProcess process, TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            await process.Ended.WaitAsync(limit, cancel);
        }
        catch (TimeoutException)
        {
            throw new SoakFailure($"the {process.Name} run did not end within {limit.TotalSeconds} s");
        }

        if (process.ExitCode != 0)
        {
            throw new SoakFailure($"the {process.Name} run ended with exit code {process.ExitCode}");
        }
    }
}
