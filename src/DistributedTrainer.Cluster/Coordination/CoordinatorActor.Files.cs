using Akka.Actor;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What visitors are shown of run folders. Files are read beside the coordinator, which does nothing else for it than to look up folders.</summary>
internal sealed partial class CoordinatorActor
{
    // One for each visitor. A question beyond them is not answered: whoever asks asks again.
    private const int MostReadings = 4;

    private int _readings;
    private string? _readingProblem;

    private void ShowFiles(Func<RunShelf, IProtocolMessage> read)
    {
        if (_readings == MostReadings)
        {
            return;
        }

        _readings++;
        var (visitor, shelf) = (Sender, new RunShelf(_runs, RunFolders()));
        Task.Run(() => read(shelf)).PipeTo(Self, success: answer => new FilesRead(visitor, answer, null), failure: problem => new FilesRead(visitor, null, problem.Message));
    }

    private void OnFilesRead(FilesRead read)
    {
        _readings--;
        if (read.Answer is { } answer)
        {
            read.Visitor.Tell(answer);
        }
        else if (read.Problem != _readingProblem)
        {
            // It is asked again every second, and said once.
            _logger.Say(LogLevel.Warning, $"The runs in {_runs} cannot be shown to a visitor: {read.Problem}");
        }

        _readingProblem = read.Problem;
    }

    /// <summary>Runs may lie where whoever submitted them said: name → folder.</summary>
    private Dictionary<string, string> RunFolders()
    {
        var folders = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var folder in _ended.Values.Select(static ended => ended?.RunDirectory).Append(_run?.Folder.FullPath).OfType<string>())
        {
            folders[Path.GetFileName(folder)] = folder;
        }

        return folders;
    }

    private sealed record FilesRead(IActorRef Visitor, IProtocolMessage? Answer, string? Problem) : INoSerializationVerificationNeeded;
}
