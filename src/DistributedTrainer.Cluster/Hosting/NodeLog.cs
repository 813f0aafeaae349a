using Akka.Actor;
using Akka.Event;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Passes the actor system's own warnings and errors on, one line each: a lost node is no reason for a page of stack
/// trace. An error of our own actors keeps its exception. What strangers send to the port is told once in a while.
/// </summary>
internal sealed partial class NodeLog : ReceiveActor
{
    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    // The transport counts them to the message.
    private const int LengthBytes = 4;

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
        if (text.Contains("tls: ", StringComparison.Ordinal))
        {
            // About a peer of whom the encrypted transport has told by itself: Akka.NET repeats it in two lines, at each attempt.
            return;
        }

        var end = text.IndexOf('\n', StringComparison.Ordinal);
        var ofTransport = IsOfTransport(entry, text);
        var cause = entry.Cause is { } exception && !ofTransport && !entry.LogSource.Contains("/system/", StringComparison.Ordinal) ? $": {exception}" : "";
        if (ofTransport && entry.Cause is { } failure && SpeaksTls(failure))
        {
            cause = ": the peer speaks TLS, and this node does not. Start both with --tls, or neither";
        }

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
    /// Whether what was taken for the length of a message (4 bytes, little endian, as the transport tells it) is how every TLS
    /// connection begins: a handshake record (0x16) of a version 3.
    /// </summary>
    private static bool SpeaksTls(Exception failure) =>
        TooLong().Match(failure.GetBaseException().Message) is { Success: true } match
        && long.TryParse(match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture, out var length)
        && (((length - LengthBytes) & 0xFFFF) == 0x0316 || (length & 0xFFFF) == 0x0316);

    [System.Text.RegularExpressions.GeneratedRegex(@"frame length exceeds \d+: (\d+)")]
    private static partial System.Text.RegularExpressions.Regex TooLong();

    /// <summary>Whether it comes from a connection, or from the actor that reads it; or is about a message that was refused.</summary>
    private static bool IsOfTransport(LogEvent entry, string text) =>
        entry.LogClass.FullName?.StartsWith("Akka.Remote.Transport.", StringComparison.Ordinal) == true
        || entry.LogSource.Contains("/system/transports/", StringComparison.Ordinal)
        || entry.LogSource.Contains("/endpointReader-", StringComparison.Ordinal)
        || (entry.LogSource.Contains("/system/endpointManager", StringComparison.Ordinal) && text.Contains("protocol: ", StringComparison.Ordinal));
}
