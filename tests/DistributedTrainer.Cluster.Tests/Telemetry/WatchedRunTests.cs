using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Tests.Actors;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Tests.Telemetry;

/// <summary>A run that is watched in every way there is: log, traces, timeline.</summary>
[Collection(ClusterCollection.Name)]
public sealed class WatchedRunTests : IDisposable
{
    private const int Steps = 12;

    private const int StepsPerEpoch = 4;

    private static readonly TestExperiment Experiment = new()
    {
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 3, batch-size: 32, shards: 4 }",
        Workers = 2,
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Who_watches_a_run_sees_it_and_changes_no_bit_of_it()
    {
        var log = new Kept();
        var traces = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == TelemetrySource.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = traces.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        string watched;
        await using (var host = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = 2, Logging = log }, null, CancellationToken.None))
        {
            watched = await Train(host, Experiment, "watched");
        }

        await using (var host = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = 2 }, null, CancellationToken.None))
        {
            Assert.Equal(watched, await Train(host, Experiment with { Timeline = "off" }, "alone"));
        }

        Assert.False(File.Exists(Path.Combine(_folder.Path, "alone", TimelineFile.Name)));
        CheckTimeline();

        var done = Assert.Single(log.Events, static entry => entry.Text.EndsWith(": done", StringComparison.Ordinal));
        Assert.Equal(LogTexts.Coordinator, done.Category);
        Assert.Equal("coordinator,server,worker", done.Properties["role"]);
        Assert.Equal(("1", "12"), (done.Properties["generation"], done.Properties["step"]));
        Assert.StartsWith("coordinator-", done.Properties["node"], StringComparison.Ordinal);

        // Other tests have runs meanwhile.
        var run = Assert.Single(traces, trace => trace.OperationName == "run" && (string?)trace.GetTagItem("dtrain.run") == done.Properties["run"]);
        Assert.Equal(ActivityStatusCode.Ok, run.Status);
        Assert.Contains(traces, trace => trace.OperationName == "checkpoint" && trace.ParentSpanId == run.SpanId);
    }

    private void CheckTimeline()
    {
        var lines = TimelineFile.Read(Path.Combine(_folder.Path, "watched", TimelineFile.Name)).ToArray();
        Assert.Contains(lines, static line => line.Event == "generation");
        Assert.Contains(lines, static line => line.Event == "checkpoint");
        var spans = lines.Where(static line => line.Spans is not null).ToLookup(static line => line.Track!, static line => line.Spans!);
        Assert.Equal(["partition 0"], spans.Select(static track => track.Key).Where(static name => name.StartsWith("partition", StringComparison.Ordinal)));
        Assert.Equal(3, spans.Count);
        foreach (var track in spans)
        {
            // What a worker was doing last may come after the end.
            var (kind, known) = track.Key.StartsWith("partition", StringComparison.Ordinal) ? (SpanKind.Update, Steps) : (SpanKind.Compute, StepsPerEpoch);
            var steps = track.SelectMany(static batch => batch).Where(span => span[0] == (long)kind).Select(static span => span[1]).Distinct().Order();
            Assert.Equal(Enumerable.Range(0, known).Select(static step => (long)step), steps.Take(known));
        }

        // One process, one clock.
        Assert.All(lines.Where(static line => line.Spans is not null), static line => Assert.Equal((0L, 0L), (line.Offset, line.OffsetError)));
    }

    private async Task<string> Train(NodeHost host, TestExperiment experiment, string run)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        Submissions.Ended? ended = null;
        await foreach (var message in host.Submit(new Submissions.Submit(experiment.Yaml, "test.yaml", "", Path.Combine(_folder.Path, run), EndCluster: false, Resume: false), limit.Token))
        {
            ended = message as Submissions.Ended;
        }

        Assert.Null(ended!.Failure);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        return result.RootElement.GetProperty("parametersSha256").GetString()!;
    }

    private sealed record Event(string Category, LogLevel Level, string Text, Dictionary<string, string?> Properties);

    /// <summary>Keeps events with what is around them.</summary>
    private sealed class Kept : ILoggerFactory
    {
        private readonly LoggerExternalScopeProvider _scopes = new();

        public ConcurrentQueue<Event> Events { get; } = new();

        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, this);

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public void Dispose()
        {
        }

        private sealed class Logger(string category, Kept kept) : ILogger
        {
            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => kept._scopes.Push(state);

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                if (!IsEnabled(logLevel))
                {
                    return;
                }

                var properties = new Dictionary<string, string?>();
                kept._scopes.ForEachScope(
                    static (scope, into) =>
                    {
                        foreach (var (name, value) in (IEnumerable<KeyValuePair<string, object?>>)scope!)
                        {
                            into[name] = value?.ToString();
                        }
                    },
                    properties);
                kept.Events.Enqueue(new Event(category, logLevel, formatter(state, exception), properties));
            }
        }
    }
}
