using System.Threading.Channels;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Dashboard.Mirroring;

/// <summary>
/// What the page shows of runs whose folders are with the coordinator of a cluster elsewhere: their files, in a temporary
/// folder that goes with it. Of every run the small files are here, of those that somebody looks at all. What was here once
/// stays, also where the coordinator has it no more.
/// </summary>
public sealed class RunMirror : IDisposable
{
    // While anything changes; and while nothing does.
    private static readonly TimeSpan Lively = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);

    // Between pieces of a long file: whoever trains there has the network to itself most of the time.
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, MirroredRun> _runs = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wanted = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dtrain-dashboard-");
    private readonly TimeProvider _time;
    private string _after = "";

    /// <param name="source">Names the cluster, for whoever reads the page.</param>
    /// <param name="time">The clock.</param>
    public RunMirror(string source, TimeProvider? time = null) => (Source, _time) = (source, time ?? TimeProvider.System);

    /// <summary>Where the files come from.</summary>
    public string Source { get; }

    /// <summary>The folder of the runs here.</summary>
    public string Root => _root.FullName;

    /// <summary>Somebody looks at a run.</summary>
    public void Want(string run)
    {
        lock (_gate)
        {
            if (!_runs.TryGetValue(run, out var mirrored) || mirrored.IsWanted)
            {
                return;
            }

            mirrored.IsWanted = true;
        }

        _wanted.Writer.TryWrite(true);
    }

    /// <summary>Asks until it is ended, one question after the other.</summary>
    /// <param name="ask">Asks the coordinator; null: nobody has answered, and it is asked again.</param>
    /// <param name="cancel">The end.</param>
    /// <exception cref="IOException">A file cannot be written here.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public async Task FollowAsync(Func<IProtocolMessage, CancellationToken, Task<IProtocolMessage?>> ask, CancellationToken cancel)
    {
        while (true)
        {
            var any = await RoundAsync(ask, cancel);
            using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await Task.WhenAny(Task.Delay(any ? Lively : Calm, _time, pause.Token), _wanted.Reader.WaitToReadAsync(pause.Token).AsTask());
            await pause.CancelAsync();
            cancel.ThrowIfCancellationRequested();
            _wanted.Reader.TryRead(out _);
        }
    }

    /// <summary>Asks once for the runs, at first for all and then page by page, and for what is new of those that have changed.</summary>
    /// <returns>Whether anything was.</returns>
    internal async Task<bool> RoundAsync(Func<IProtocolMessage, CancellationToken, Task<IProtocolMessage?>> ask, CancellationToken cancel)
    {
        var isFirst = _runs.Count == 0;
        do
        {
            if (await ask(new RunFiles.AskRuns(_after), cancel) is not RunFiles.Runs list)
            {
                return false;
            }

            Take(list);
            _after = list is { More: true, Listed: [.., var last] } && string.CompareOrdinal(last.Name, _after) > 0 ? last.Name : "";
        }
        while (isFirst && _after.Length > 0);

        var any = false;
        foreach (var run in Known())
        {
            run.BeginRound();
            while (Question(run) is var (question, listed))
            {
                if (await ask(question, cancel) is not RunFiles.News news || news.Run != question.Run)
                {
                    return any;
                }

                any |= run.Take(question, listed, news);
                if (news.More)
                {
                    await Task.Delay(Breath, _time, cancel);
                }
            }
        }

        return any;
    }

    /// <inheritdoc/>
    public void Dispose() => _root.Delete(recursive: true);

    private void Take(RunFiles.Runs list)
    {
        lock (_gate)
        {
            foreach (var listed in list.Listed.Where(static listed => RunFileNames.IsFolder(listed.Name)))
            {
                if (!_runs.TryGetValue(listed.Name, out var run))
                {
                    run = _runs[listed.Name] = new MirroredRun(listed.Name, Path.Combine(Root, listed.Name));
                }

                run.Listed = listed.State;
            }
        }
    }

    private MirroredRun[] Known()
    {
        lock (_gate)
        {
            return [.. _runs.Values];
        }
    }

    private (RunFiles.AskNews Question, long Listed)? Question(MirroredRun run)
    {
        lock (_gate)
        {
            return run.Question is { } question ? (question, run.Listed) : null;
        }
    }
}
