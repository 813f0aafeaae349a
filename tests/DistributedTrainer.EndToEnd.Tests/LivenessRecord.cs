using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What arrives at a node of this process, and when. Akka.NET makes both recorders by their names in its settings.</summary>
public static partial class LivenessRecord
{
    private static readonly ConcurrentDictionary<string, ConcurrentQueue<TimeSpan>> Arrivals = [];
    private static readonly ConcurrentQueue<(TimeSpan At, string Text)> Warned = [];
    private static int _peers;

    /// <summary>Time between two heartbeats that this node asks for: closer than by default, so that few seconds show the longest gap.</summary>
    public static readonly TimeSpan HeartbeatInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>For the node that records.</summary>
    public static string Settings => FormattableString.Invariant($$"""
        akka.loglevel = DEBUG
        akka.loggers = ["{{typeof(Messages).FullName}}, {{typeof(Messages).Assembly.GetName().Name}}"]
        akka.remote.log-received-messages = on
        akka.cluster.failure-detector {
          implementation-class = "{{typeof(Heartbeats).FullName}}, {{typeof(Heartbeats).Assembly.GetName().Name}}"
          heartbeat-interval = {{(int)HeartbeatInterval.TotalMilliseconds}}ms
        }
        """);

    public static TimeSpan Now => Stopwatch.GetElapsedTime(0);

    /// <summary>Warnings of this node.</summary>
    public static IReadOnlyCollection<(TimeSpan At, string Text)> Warnings => Warned;

    public static void Clear()
    {
        Arrivals.Clear();
        Warned.Clear();
    }

    /// <summary>How often each of a kind was heard of since then.</summary>
    public static IReadOnlyDictionary<string, int> Counts(string kind, TimeSpan since) =>
        Of(kind).ToDictionary(static pair => pair.Key, pair => pair.Value.Count(at => at >= since));

    /// <summary>The longest time in between without a word of one of them, whichever it was.</summary>
    public static TimeSpan LongestGap(string kind, TimeSpan since, TimeSpan until) => Of(kind).Max(pair =>
    {
        TimeSpan[] times = [since, .. pair.Value.Where(at => at > since && at < until), until];
        return times.Zip(times.Skip(1), static (a, b) => b - a).Max();
    });

    private static IEnumerable<KeyValuePair<string, ConcurrentQueue<TimeSpan>>> Of(string kind) =>
        Arrivals.Where(pair => pair.Key.StartsWith(kind, StringComparison.Ordinal));

    private static void Heard(string who) => Arrivals.GetOrAdd(who, static _ => new ConcurrentQueue<TimeSpan>()).Enqueue(Now);

    /// <summary>The cluster's failure detector of one peer, which writes down each heartbeat.</summary>
    public sealed class Heartbeats(Config config, EventStream events) : PhiAccrualFailureDetector(config, events)
    {
        private readonly string _who = $"heartbeat {Interlocked.Increment(ref _peers)}";

        public override void HeartBeat()
        {
            Heard(_who);
            base.HeartBeat();
        }
    }

    /// <summary>Takes the node's log, where every message from another node is named.</summary>
    public sealed partial class Messages : ReceiveActor
    {
        public Messages()
        {
            Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
            Receive<Akka.Event.Debug>(entry =>
            {
                if (WorkerStatus().Match(entry.Message.ToString() ?? "") is { Success: true } status)
                {
                    Heard($"status of {status.Groups[1].Value}");
                }
            });
            Receive<LogEvent>(static entry =>
            {
                if (entry.LogLevel() >= LogLevel.WarningLevel)
                {
                    Warned.Enqueue((Now, entry.Message.ToString() ?? ""));
                }
            });
        }

        [GeneratedRegex(@"received .*Status \{.* Worker = (\S+),")]
        private static partial Regex WorkerStatus();
    }
}
