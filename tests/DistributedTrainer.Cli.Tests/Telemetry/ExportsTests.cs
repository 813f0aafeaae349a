using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cli.Tests.Telemetry;

/// <summary>Metrics for Prometheus, and everything over OTLP, against a receiver of the test.</summary>
public sealed class ExportsTests
{
    [Theory]
    [InlineData("", false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4317", true)]
    [InlineData("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://a:4318/v1/logs", true)]
    [InlineData("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://a:4318/v1/logs OTEL_LOGS_EXPORTER=none", false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4317 OTEL_SDK_DISABLED=true", false)]
    [InlineData("OTEL_SERVICE_NAME=dtrain", false)]
    public void The_standard_variables_say_whether_something_is_sent(string variables, bool isSent)
    {
        var environment = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static pair => pair.Split('=')).ToDictionary(static pair => pair[0], static pair => pair[1]);
        Assert.Equal(isSent, Exports.IsSent(environment.GetValueOrDefault));
    }

    [Fact]
    public async Task Prometheus_asks_at_the_port_of_the_health_endpoint_too()
    {
        using var meter = new Meter(TelemetrySource.Name);
        meter.CreateObservableCounter("dtrain.scraped.time", static () => new Measurement<double>(1.5, new KeyValuePair<string, object?>("dtrain.worker", "w0")), "s", "For a test.");
        using var places = new TextLines(TextWriter.Null, TextWriter.Null);
        var port = FreePort();
        using var health = new HealthEndpoint(port, static () => null);
        using var exports = Exports.Start(LogLevel.Information, [places], port, "worker");
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        var text = await client.GetStringAsync("/metrics");
        Assert.Contains("# TYPE dtrain_scraped_time_seconds_total counter", text, StringComparison.Ordinal);
        Assert.Matches("dtrain_scraped_time_seconds_total\\{.*dtrain_worker=\"w0\".*\\} 1\\.5", text);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health/live")).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.GetAsync("/health/ready")).StatusCode);
    }

    [Fact]
    public async Task Metrics_traces_and_logs_are_sent_where_the_standard_variables_say()
    {
        using var receiver = new Receiver();
        var before = Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT");
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Address);
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        try
        {
            using var meter = new Meter(TelemetrySource.Name);
            meter.CreateObservableGauge("dtrain.sent.loss", static () => 0.25, "1", "For a test.");
            using var traces = new ActivitySource(TelemetrySource.Name);

            // What is left is sent when it ends.
            using (var exports = Exports.Start(LogLevel.Information, [new TextLines(TextWriter.Null, TextWriter.Null)], null, "worker"))
            {
                traces.StartActivity("recovery")!.Dispose();
                var logger = exports.Logging.CreateLogger(LogTexts.Node);
                using (logger.BeginScope(new List<KeyValuePair<string, object?>> { new("run", "run-of-the-test") }))
                {
                    logger.LogWarning("a worker is lost");
                }
            }
        }
        finally
        {
            Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", before);
            Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_PROTOCOL", null);
        }

        await receiver.Stop();
        Assert.Contains("dtrain.sent.loss", receiver.Received["/v1/metrics"], StringComparison.Ordinal);
        Assert.Contains("recovery", receiver.Received["/v1/traces"], StringComparison.Ordinal);
        Assert.Contains("a worker is lost", receiver.Received["/v1/logs"], StringComparison.Ordinal);
        Assert.Contains("run-of-the-test", receiver.Received["/v1/logs"], StringComparison.Ordinal);
        Assert.All(receiver.Received.Values, static text => Assert.Contains("service.name", text, StringComparison.Ordinal));
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>Takes what is posted, as a collector does. Names and texts stand as they are in what protobuf writes.</summary>
    private sealed class Receiver : IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly Task _answering;

        public Receiver()
        {
            Address = $"http://127.0.0.1:{FreePort()}";
            _listener.Prefixes.Add($"{Address}/");
            _listener.Start();
            _answering = Answer();
        }

        public string Address { get; }

        public ConcurrentDictionary<string, string> Received { get; } = new();

        public async Task Stop()
        {
            _listener.Stop();
            await _answering;
        }

        public void Dispose() => ((IDisposable)_listener).Dispose();

        private async Task Answer()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    Received.AddOrUpdate(context.Request.Url!.AbsolutePath, _ => Text(body), (_, earlier) => earlier + Text(body));
                    context.Response.Close();
                }
            }
            catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                // Stopped.
            }
        }

        private static string Text(MemoryStream body) => Encoding.Latin1.GetString(body.ToArray());
    }
}
