using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>A log that is lines of text, for whoever hosts a node in its own process. What coordinators tell is left out: its host watches the run.</summary>
/// <param name="write">Receives each line.</param>
public sealed class LineLoggerFactory(Action<string> write) : ILoggerFactory, ILoggerProvider
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => categoryName == LogTexts.Coordinator ? NullLogger.Instance : new LineLogger(categoryName, write);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("lines: the log has one place.");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class LineLogger(string category, Action<string> write) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                write(LogTexts.Line(category, logLevel, formatter(state, exception)));
            }
        }
    }
}
