using System.Runtime.CompilerServices;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace DistributedTrainer.Cli.Telemetry;

/// <summary>
/// Metrics for Prometheus, and metrics, traces and logs over OTLP, where they are asked for: the first by a port, the others by
/// the standard variables of OpenTelemetry. Whoever asks for neither loads none of its assemblies.
/// </summary>
internal sealed class Exports : IDisposable
{
    private readonly IDisposable?[] _open;

    private Exports(ILoggerFactory logging, params IDisposable?[] open) => (Logging, _open) = (logging, open);

    /// <summary>The log, which goes over OTLP too where that is asked for.</summary>
    public ILoggerFactory Logging { get; }

    /// <summary>Whether something is to be sent over OTLP: one of its variables names where to, and none says that nothing is.</summary>
    /// <param name="variable">The environment.</param>
    public static bool IsSent(Func<string, string?> variable) =>
        !string.Equals(variable("OTEL_SDK_DISABLED"), "true", StringComparison.OrdinalIgnoreCase) && Signals.Any(signal => IsSent(variable, signal));

    /// <summary>Starts what is asked for.</summary>
    /// <param name="level">Of the log.</param>
    /// <param name="places">Where the log goes in any case.</param>
    /// <param name="metricsPort">Where Prometheus asks; null: nowhere.</param>
    /// <param name="service">Who this is, where OTEL_SERVICE_NAME is silent: the role.</param>
    /// <exception cref="ArgumentException">The port cannot be listened on.</exception>
    public static Exports Start(LogLevel level, ILoggerProvider[] places, int? metricsPort, string service) =>
        metricsPort is null && !IsSent(Environment.GetEnvironmentVariable)
            ? new Exports(LogSettings.Create(level, places))
            : Open(level, places, metricsPort, service);

    /// <inheritdoc/>
    public void Dispose()
    {
        Logging.Dispose();
        foreach (var one in _open)
        {
            one?.Dispose();
        }
    }

    private static string[] Signals => ["METRICS", "TRACES", "LOGS"];

    private static bool IsSent(Func<string, string?> variable, string signal) =>
        variable($"OTEL_{signal}_EXPORTER") != "none"
        && (variable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 } || variable($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") is { Length: > 0 });

    // The assemblies are loaded with the first call.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Exports Open(LogLevel level, ILoggerProvider[] places, int? metricsPort, string service)
    {
        var isDisabled = !IsSent(Environment.GetEnvironmentVariable);
        bool Sends(string signal) => !isDisabled && IsSent(Environment.GetEnvironmentVariable, signal);
        var resource = ResourceBuilder.CreateDefault()
            .AddService("dtrain", serviceVersion: typeof(Exports).Assembly.GetName().Version?.ToString(3), serviceInstanceId: $"{Environment.MachineName}:{Environment.ProcessId}")
            .AddAttributes([new("dtrain.roles", service)])
            .AddEnvironmentVariableDetector();
        var traces = Sends("TRACES") ? Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(TelemetrySource.Name).AddOtlpExporter().Build() : null;
        var sent = Sends("METRICS") ? Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(TelemetrySource.Name).AddOtlpExporter().Build() : null;
        var asked = metricsPort is { } port ? Scraped(resource, port) : null;
        var logging = Sends("LOGS")
            ? LoggerFactory.Create(builder =>
            {
                Array.ForEach(places, place => builder.AddProvider(place));
                builder.SetMinimumLevel(level).AddFilter(LogTexts.Life, level == LogLevel.None ? LogLevel.None : LogLevel.Information);
                builder.AddOpenTelemetry(options =>
                {
                    (options.IncludeScopes, options.IncludeFormattedMessage) = (true, true);
                    options.SetResourceBuilder(resource).AddOtlpExporter();
                });
            })
            : LogSettings.Create(level, places);
        return new Exports(logging, traces, sent, asked);
    }

    private static MeterProvider Scraped(ResourceBuilder resource, int port)
    {
        try
        {
            return Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(TelemetrySource.Name)
                .AddPrometheusHttpListener(options => options.ConfigureHttpListener = (_, listener) =>
                {
                    // On all addresses, beside what else answers at this port; the options know names of hosts only.
                    listener.Prefixes.Clear();
                    listener.Prefixes.Add($"http://*:{port}/metrics/");
                })
                .Build();
        }
        catch (Exception problem) when (problem is System.Net.HttpListenerException or InvalidOperationException)
        {
            throw new ArgumentException($"node: metrics port {port} cannot be listened on: {problem.Message}. Choose another --metrics-port.", problem);
        }
    }
}
