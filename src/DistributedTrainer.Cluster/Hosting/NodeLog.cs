using Akka.Actor;
using Akka.Event;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Hosting.Tls;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Passes the actor system's own warnings and errors on, one line each: a lost node is no reason for a page of stack
/// trace. An error of our own actors keeps its exception. What strangers send to the port is told once in a while.
/// </summary>
internal sealed class NodeLog : ReceiveActor
{
    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    private readonly Action<string> _log;
    private readonly QuietLog _transport;

    public NodeLog(Action<string> log)
    {
        _log = log;
        _transport = new QuietLog(log, QuietPeriod, TimeProvider.System);
        Receive<LogEvent>(Write);
    }

    public static Props Props(Action<string> log) => Akka.Actor.Props.Create(() => new NodeLog(log));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(Warning));
        Context.System.EventStream.Subscribe(Self, typeof(Error));
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _transport.Close();
    }

    private void Write(LogEvent entry)
    {
        var text = entry.Message.ToString() ?? "";
        if (IsToldOf(entry, text))
        {
            return;
        }

        var end = text.IndexOf('\n', StringComparison.Ordinal);
        var ofTransport = IsOfTransport(entry);
        var cause = entry.Cause is { } exception && !ofTransport && !entry.LogSource.Contains("/system/", StringComparison.Ordinal) ? $": {exception}" : "";
        var line = $"{entry.LogLevel().ToString()[..^"Level".Length].ToLowerInvariant()}: {(end < 0 ? text : text[..end].TrimEnd())}{cause}";
        if (ofTransport)
        {
            // Each connection would have a line otherwise.
            _transport.Add(entry.LogClass.Name, line);
        }
        else
        {
            _log(line);
        }
    }

    /// <summary>
    /// Whether it is about a peer of whom the encrypted transport has told in a line of its own: Akka.NET repeats it in two
    /// more, at each attempt.
    /// </summary>
    private static bool IsToldOf(LogEvent entry, string text) =>
        entry.LogClass != typeof(TlsTransport) && text.Contains("tls: ", StringComparison.Ordinal);

    /// <summary>Whether it comes from a connection, or from the actor that reads it.</summary>
    private static bool IsOfTransport(LogEvent entry) =>
        entry.LogClass.FullName?.StartsWith("Akka.Remote.Transport.", StringComparison.Ordinal) == true
        || entry.LogSource.Contains("/system/transports/", StringComparison.Ordinal);
}
