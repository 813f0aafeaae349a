using Akka.Actor;
using Akka.Event;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Passes the actor system's own warnings and errors on, one line each: a lost node is no reason for a page of stack
/// trace. An error of our own actors keeps its exception.
/// </summary>
internal sealed class NodeLog : ReceiveActor
{
    private readonly Action<string> _log;

    public NodeLog(Action<string> log)
    {
        _log = log;
        Receive<LogEvent>(Write);
    }

    public static Props Props(Action<string> log) => Akka.Actor.Props.Create(() => new NodeLog(log));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(Warning));
        Context.System.EventStream.Subscribe(Self, typeof(Error));
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void Write(LogEvent entry)
    {
        var text = entry.Message.ToString() ?? "";
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        var cause = entry.Cause is { } exception && !entry.LogSource.Contains("/system/", StringComparison.Ordinal) ? $": {exception}" : "";
        _log($"{entry.LogLevel().ToString()[..^"Level".Length].ToLowerInvariant()}: {(end < 0 ? text : text[..end].TrimEnd())}{cause}");
    }
}
