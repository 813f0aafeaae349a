using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cli.Telemetry;

/// <summary>
/// A node's log for a person: one line an event, written at once, so that the last words of a process that dies are there.
/// What becomes of the node and of runs goes to standard output, trouble to standard error.
/// </summary>
internal sealed class TextLines(TextWriter output, TextWriter errors) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) =>
        new Lines(categoryName, categoryName is LogTexts.Life or LogTexts.Coordinator ? output : errors);

    public void Dispose()
    {
    }

    private sealed class Lines(string category, TextWriter writer) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                writer.WriteLine(LogTexts.Line(category, logLevel, formatter(state, exception)));
            }
        }
    }
}
