using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Dashboard.Mirroring;

/// <summary>The files of one run, as far as they are here.</summary>
/// <param name="name">Of its folder.</param>
/// <param name="directory">Its folder here.</param>
internal sealed class MirroredRun(string name, string directory)
{
    private readonly Dictionary<string, MirroredFile> _files = RunFileNames.All.ToDictionary(static file => file, file => new MirroredFile(Path.Combine(directory, file), file));
    private long? _seen;
    private bool _seenGrowing;
    private bool _isDue;

    /// <summary>As it was listed last.</summary>
    public long Listed { get; set; }

    /// <summary>Whether somebody has looked at it: then the files that grow are wanted too.</summary>
    public bool IsWanted { get; set; }

    /// <summary>A run that goes on and is looked at is asked for in every round: with many runs it is not listed in each.</summary>
    public void BeginRound() => _isDue = IsWanted && _files["result.json"].Mark is null && _files["ended.txt"].Mark is null;

    /// <summary>What is to be asked; null: nothing has changed since.</summary>
    public RunFiles.AskNews? Question =>
        _seen == Listed && (_seenGrowing || !IsWanted) && !_isDue ? null : new RunFiles.AskNews(name, [.. _files.Values.Select(static file => file.Mark).OfType<RunFiles.Mark>()], IsWanted);

    /// <summary>Takes an answer.</summary>
    /// <param name="question">What was asked.</param>
    /// <param name="listed">As the run was listed when it was asked.</param>
    /// <param name="news">The answer.</param>
    /// <returns>Whether anything is new.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public bool Take(RunFiles.AskNews question, long listed, RunFiles.News news)
    {
        var any = false;
        Directory.CreateDirectory(directory);
        foreach (var piece in news.Pieces)
        {
            // A name that is none of these is nobody's to write.
            any |= _files.TryGetValue(piece.File, out var file) && file.Take(piece);
        }

        // More without anything would be asked for for ever.
        if (!news.More || !any)
        {
            (_seen, _seenGrowing, _isDue) = (listed, question.Growing, false);
        }

        return any;
    }
}
