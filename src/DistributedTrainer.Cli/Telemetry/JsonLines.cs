using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cli.Telemetry;

/// <summary>
/// A log of JSON objects, one a line, written at once: <c>time</c>, <c>level</c>, <c>category</c>, <c>message</c>, and what is
/// known of the node as fields beside them (<c>node</c>, <c>role</c>, <c>run</c>, <c>generation</c>, <c>step</c>). The
/// library's own writer for consoles nests these in arrays of scopes, and queues lines that a process that is killed loses.
/// </summary>
/// <param name="output">Where to.</param>
/// <param name="time">Tells the time; null: the system's.</param>
internal sealed class JsonLines(Stream output, TimeProvider? time = null) : ILoggerProvider, ISupportExternalScope
{
    private const string MessageName = "message";

    // Of text that never meets a web page.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _gate = new();
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly HashSet<string> _written = [];
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private IExternalScopeProvider _scopes = new LoggerExternalScopeProvider();

    public ILogger CreateLogger(string categoryName) => new Lines(categoryName, this);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
    }

    /// <summary>What a line says to a person; a line that is no event of a log says itself.</summary>
    public static string MessageOf(string line)
    {
        if (!line.StartsWith('{'))
        {
            return line;
        }

        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.TryGetProperty(MessageName, out var message) && message.ValueKind == JsonValueKind.String ? message.GetString()! : line;
        }
        catch (JsonException)
        {
            return line;
        }
    }

    /// <summary>Passes a line on that a process of this program has written.</summary>
    public void Pass(string line)
    {
        lock (_gate)
        {
            output.Write(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
            output.Flush();
        }
    }

    private void Write<TState>(string category, LogLevel level, TState state, Exception? exception, string message)
    {
        lock (_gate)
        {
            _line.Clear();
            _written.Clear();
            using (var writer = new Utf8JsonWriter(_line, Options))
            {
                writer.WriteStartObject();
                Field(writer, "time", _time.GetUtcNow().UtcDateTime);
                Field(writer, "level", level.ToString().ToLowerInvariant());
                Field(writer, "category", category);
                Field(writer, MessageName, message);
                Fields(writer, state);
                _scopes.ForEachScope(Fields, writer);
                if (exception is not null)
                {
                    Field(writer, "exception", exception.ToString());
                }

                writer.WriteEndObject();
            }

            _line.GetSpan(1)[0] = (byte)'\n';
            _line.Advance(1);
            output.Write(_line.WrittenSpan);
            output.Flush();
        }
    }

    private void Fields(object? scope, Utf8JsonWriter writer) => Fields(writer, scope);

    private void Fields(Utf8JsonWriter writer, object? state)
    {
        if (state is IEnumerable<KeyValuePair<string, object?>> fields)
        {
            foreach (var (name, value) in fields)
            {
                if (name != "{OriginalFormat}")
                {
                    Field(writer, name, value);
                }
            }
        }
    }

    private void Field(Utf8JsonWriter writer, string name, object? value)
    {
        // Of two of a name the nearest counts.
        if (!_written.Add(name))
        {
            return;
        }

        writer.WritePropertyName(name);
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case DateTime moment:
                writer.WriteStringValue(moment);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case long or int or short or byte:
                writer.WriteNumberValue(Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case double number when double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            default:
                writer.WriteStringValue(Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
        }
    }

    private sealed class Lines(string category, JsonLines lines) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => lines._scopes.Push(state);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lines.Write(category, logLevel, state, exception, formatter(state, exception));
            }
        }
    }
}
