using Akka.Actor;
using Akka.Event;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Passes on what the actor system says of itself, one line each: a lost node is no reason for a page of stack
/// trace. An error of our own actors keeps its exception. What strangers send to the port is told once in a while, and so is
/// that an open node looks for a cluster that is encrypted.
/// </summary>
internal sealed partial class NodeLog : ReceiveActor
{
    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    // An encrypted node hangs up at once.
    private static readonly TimeSpan AskLimit = TimeSpan.FromSeconds(1);

    // The transport counts them to the message.
    private const int LengthBytes = 4;

    private readonly ILogger _logger;
    private readonly bool _isOpen;
    private readonly QuietLog _warnings;
    private readonly QuietLog _errors;

    /// <param name="logger">Where it goes.</param>
    /// <param name="isOpen">Whether the node speaks plain.</param>
    public NodeLog(ILogger logger, bool isOpen)
    {
        (_logger, _isOpen) = (logger, isOpen);
        _warnings = new QuietLog(logger.Lines(LogLevel.Warning), QuietPeriod, TimeProvider.System);
        _errors = new QuietLog(logger.Lines(LogLevel.Error), QuietPeriod, TimeProvider.System);
        Receive<LogEvent>(Look);
        Receive<Asked>(asked =>
        {
            if (asked.SpeaksTls)
            {
                _warnings.Add("encrypted", TlsProbe.NeedsTls(asked.Address));
            }
            else
            {
                Write(asked.Entry);
            }
        });
    }

    public static Props Props(ILogger logger, bool isOpen) => Akka.Actor.Props.Create(() => new NodeLog(logger, isOpen));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(Warning));
        Context.System.EventStream.Subscribe(Self, typeof(Error));
        if (_logger.IsEnabled(LogLevel.Debug))
        {
            Context.System.EventStream.Subscribe(Self, typeof(Info));
        }

        if (_logger.IsEnabled(LogLevel.Trace))
        {
            Context.System.EventStream.Subscribe(Self, typeof(Debug));
        }
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _warnings.Close();
        _errors.Close();
    }

    /// <summary>Of a peer that speaks TLS Akka.NET says that it shuts down, since it hangs up: then what is really wrong is told.</summary>
    private void Look(LogEvent entry)
    {
        if (_isOpen && _logger.IsEnabled(LogLevel.Warning) && HungUp().Match(entry.Message.ToString() ?? "") is { Success: true } peer)
        {
            var (host, port) = (peer.Groups["host"].Value, int.Parse(peer.Groups["port"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture));
            SpeaksTls(host, port).PipeTo(Self, success: yes => new Asked(entry, $"{host}:{port}", yes));
        }
        else
        {
            Write(entry);
        }
    }

    private static async Task<bool> SpeaksTls(string host, int port)
    {
        using var limit = new CancellationTokenSource(AskLimit);
        return await TlsProbe.SpeaksTlsAsync(host, port, limit.Token);
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

        var line = $"{(end < 0 ? text : text[..end].TrimEnd())}{cause}";
        var level = LevelOf(entry);
        if (ofTransport && level >= LogLevel.Warning)
        {
            // Each connection would have a line otherwise.
            (level == LogLevel.Error ? _errors : _warnings).Add(entry.LogClass.Name, line);
        }
        else
        {
            _logger.Say(level, line);
        }
    }

    /// <summary>One level rougher: that an association was made is nobody's information but of who looks for a fault.</summary>
    private static LogLevel LevelOf(LogEvent entry) => entry.LogLevel() switch
    {
        Akka.Event.LogLevel.ErrorLevel => LogLevel.Error,
        Akka.Event.LogLevel.WarningLevel => LogLevel.Warning,
        Akka.Event.LogLevel.InfoLevel => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

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

    [System.Text.RegularExpressions.GeneratedRegex(@"Association failed with akka\.tcp://[^@]+@(?<host>[^:\]]+):(?<port>\d{1,5})\b")]
    private static partial System.Text.RegularExpressions.Regex HungUp();

    /// <summary>Whether it comes from a connection, or from the actor that reads it; or is about a message that was refused.</summary>
    private static bool IsOfTransport(LogEvent entry, string text) =>
        entry.LogClass.FullName?.StartsWith("Akka.Remote.Transport.", StringComparison.Ordinal) == true
        || entry.LogSource.Contains("/system/transports/", StringComparison.Ordinal)
        || entry.LogSource.Contains("/endpointReader-", StringComparison.Ordinal)
        || (entry.LogSource.Contains("/system/endpointManager", StringComparison.Ordinal) && text.Contains("protocol: ", StringComparison.Ordinal));

    private sealed record Asked(LogEvent Entry, string Address, bool SpeaksTls) : INoSerializationVerificationNeeded;
}
