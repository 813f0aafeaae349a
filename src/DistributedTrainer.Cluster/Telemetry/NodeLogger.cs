using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>Puts what is known of a node around each event: node, role, run, generation and step, as a scope.</summary>
internal sealed class NodeLogger(ILogger inner, NodeFigures figures) : ILogger
{
    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!inner.IsEnabled(logLevel))
        {
            return;
        }

        using (inner.BeginScope(Properties()))
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
    }

    private List<KeyValuePair<string, object?>> Properties()
    {
        List<KeyValuePair<string, object?>> properties = [new("node", figures.Node.Value), new("role", string.Join(',', figures.Roles))];
        if (figures.Run is { } run)
        {
            properties.Add(new("run", run));
            properties.Add(new("generation", figures.Generation));
            if (figures.Step is >= 0 and var step)
            {
                properties.Add(new("step", step));
            }
        }

        return properties;
    }
}
