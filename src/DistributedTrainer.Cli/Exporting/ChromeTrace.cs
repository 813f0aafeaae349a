using System.Text.Json;
using DistributedTrainer.Cluster.Timeline;

namespace DistributedTrainer.Cli.Exporting;

/// <summary>
/// A run's timeline in the format of Chrome's tracing, which chrome://tracing and ui.perfetto.dev load (Trace Event Format,
/// Google, 2016): a process for each node, a thread for each worker and partition, times by the coordinator's clock from the
/// first span on.
/// </summary>
internal sealed class ChromeTrace
{
    private const string Coordinator = "coordinator";

    private static readonly string[] Names = [.. Enum.GetValues<SpanKind>().Select(static kind => kind.ToString().ToLowerInvariant())];

    // Names of colours that both viewers know: work is green and blue, what is lost is pale.
    private static readonly Dictionary<SpanKind, string> Colours = new()
    {
        [SpanKind.Compute] = "thread_state_running",
        [SpanKind.Wait] = "grey",
        [SpanKind.Update] = "thread_state_runnable",
    };

    private readonly List<TimelineLine> _lines = [];
    private readonly Dictionary<string, int> _processes = [];
    private readonly Dictionary<(string Node, string Track), int> _threads = [];

    private readonly Dictionary<int, long> _ends = [];

    /// <summary>Spans and events that were written.</summary>
    public int Count { get; private set; }

    /// <summary>Nodes among them.</summary>
    public int Nodes => _processes.Count;

    /// <summary>Spans that nodes had no room for.</summary>
    public long Lost { get; private set; }

    /// <summary>The largest error of the clocks of these nodes, in microseconds; null: one of them is not known.</summary>
    public long? ClockError { get; private set; } = 0;

    /// <summary>Reads a timeline.jsonl and writes the trace.</summary>
    /// <param name="source">The file.</param>
    /// <param name="output">Where to.</param>
    /// <param name="from">The first step.</param>
    /// <param name="steps">So many steps; null: all.</param>
    public static ChromeTrace Write(string source, Stream output, long from = 0, long? steps = null)
    {
        var trace = new ChromeTrace();
        trace.Read(source, from, steps is { } count ? from + count : long.MaxValue);
        trace.Write(output);
        return trace;
    }

    private void Read(string source, long from, long until)
    {
        var lost = new Dictionary<(string, string), long>();
        foreach (var line in TimelineFile.Read(source))
        {
            if (line is { Event: not null, Step: { } step } && step >= from && step < until)
            {
                _lines.Add(line);
            }
            else if (line is { Node: { } node, Track: { } track, Spans: { } spans }
                && Array.FindAll(spans, span => span.Length == 4 && span[1] >= from && span[1] < until) is { Length: > 0 } kept)
            {
                lost[(node, track)] = line.Lost ?? 0;
                ClockError = ClockError is { } error && line.OffsetError is { } here ? Math.Max(error, here) : null;
                _lines.Add(line with { Spans = kept });
            }
        }

        Lost = lost.Values.Sum();
    }

    private void Write(Stream output)
    {
        var start = _lines.Select(static line => line.Spans is { } spans ? line.At + line.Offset + spans.Min(static span => span[2]) : line.At).DefaultIfEmpty(0).Min();
        using var writer = new Utf8JsonWriter(output);
        writer.WriteStartObject();
        writer.WriteString("displayTimeUnit", "ms");
        writer.WriteStartArray("traceEvents");
        foreach (var line in _lines)
        {
            if (line.Spans is { } spans)
            {
                var (process, thread) = Place(writer, line.Node!, line.Track!);
                foreach (var span in spans)
                {
                    // A better notion of the clock may set it back a little: what a thread did does not overlap.
                    var at = Math.Max(line.At + line.Offset + span[2] - start, _ends.GetValueOrDefault(thread));
                    WriteSpan(writer, process, thread, at, span);
                    _ends[thread] = at + span[3];
                }
            }
            else
            {
                WriteEvent(writer, line, line.At - start);
            }
        }

        writer.WriteEndArray();
        writer.WriteStartObject("otherData");
        writer.WriteNumber("startMicrosecondsSince1970", start);
        if (ClockError is { } known)
        {
            writer.WriteNumber("clockErrorMicroseconds", known);
        }

        writer.WriteNumber("lostSpans", Lost);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private void WriteSpan(Utf8JsonWriter writer, int process, int thread, long at, long[] span)
    {
        var kind = span[0] >= 0 && span[0] < Names.Length ? Names[span[0]] : "other";
        Begin(writer, kind, "X", process, thread, at);
        writer.WriteNumber("dur", span[3]);
        writer.WriteString("cat", kind);
        if (Colours.TryGetValue((SpanKind)span[0], out var colour))
        {
            writer.WriteString("cname", colour);
        }

        writer.WriteStartObject("args");
        writer.WriteNumber("step", span[1]);
        writer.WriteEndObject();
        writer.WriteEndObject();
        Count++;
    }

    private void WriteEvent(Utf8JsonWriter writer, TimelineLine line, long at)
    {
        var (process, thread) = Place(writer, Coordinator, line.Event!);
        Begin(writer, line.Text ?? line.Event!, line.Duration is null ? "i" : "X", process, thread, at);
        if (line.Duration is { } duration)
        {
            writer.WriteNumber("dur", duration);
        }
        else
        {
            // Over all processes.
            writer.WriteString("s", "g");
        }

        writer.WriteString("cat", line.Event);
        writer.WriteStartObject("args");
        writer.WriteNumber("step", line.Step!.Value);
        writer.WriteEndObject();
        writer.WriteEndObject();
        Count++;
    }

    /// <summary>Numbers of the process and the thread; with the first event of each its name.</summary>
    private (int Process, int Thread) Place(Utf8JsonWriter writer, string node, string track)
    {
        if (!_processes.TryGetValue(node, out var process))
        {
            _processes.Add(node, process = _processes.Count + 1);
            Name(writer, "process_name", process, 0, node);
        }

        if (!_threads.TryGetValue((node, track), out var thread))
        {
            _threads.Add((node, track), thread = _threads.Count + 1);
            Name(writer, "thread_name", process, thread, track);
        }

        return (process, thread);
    }

    private static void Name(Utf8JsonWriter writer, string what, int process, int thread, string name)
    {
        Begin(writer, what, "M", process, thread, 0);
        writer.WriteStartObject("args");
        writer.WriteString("name", name);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void Begin(Utf8JsonWriter writer, string name, string phase, int process, int thread, long at)
    {
        writer.WriteStartObject();
        writer.WriteString("name", name);
        writer.WriteString("ph", phase);
        writer.WriteNumber("pid", process);
        writer.WriteNumber("tid", thread);
        writer.WriteNumber("ts", at);
    }
}
