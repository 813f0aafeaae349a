using System.Text.Json;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Timeline;

/// <summary>
/// timeline.jsonl in a run's folder: batches of spans as nodes tell them, and what the coordinator itself knows: changes of
/// the generation, checkpoints, recoveries. It ends at a size that depends on what is recorded.
/// </summary>
public sealed class TimelineFile : IDisposable
{
    /// <summary>The file's name.</summary>
    public const string Name = "timeline.jsonl";

    /// <summary>It does not become larger than this, with <c>timeline: sampled</c>.</summary>
    public const long SampledLimit = 16L << 20;

    /// <summary>The same with <c>timeline: all</c>.</summary>
    public const long AllLimit = 256L << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly AppendedFile? _file;
    private readonly long _limit;

    /// <param name="directory">The run's folder.</param>
    /// <param name="kind">What is recorded.</param>
    /// <param name="goesOn">Whether what is there stays.</param>
    public TimelineFile(string directory, TimelineKind kind, bool goesOn)
    {
        _limit = kind == TimelineKind.All ? AllLimit : SampledLimit;
        _file = kind == TimelineKind.Off ? null : new AppendedFile(Path.Combine(directory, Name), goesOn);
    }

    /// <summary>Why the last attempt to write failed; null: it did not.</summary>
    public string? Problem => _file?.Problem;

    /// <summary>What a node has recorded.</summary>
    public void Add(Nodes.Recorded recorded)
    {
        var count = recorded.Kinds.Length;
        if (recorded.Steps.Length != count || recorded.Starts.Length != count || recorded.Durations.Length != count)
        {
            return;
        }

        Write(new TimelineLine
        {
            Node = recorded.Node.Value,
            Track = recorded.Track,
            Offset = recorded.Offset,
            OffsetError = recorded.OffsetError,
            Lost = recorded.Lost == 0 ? null : recorded.Lost,
            At = recorded.First,
            Spans = [.. Enumerable.Range(0, count).Select(i => new[] { recorded.Kinds[i], recorded.Steps[i], recorded.Starts[i], recorded.Durations[i] })],
        });
    }

    /// <summary>Something that the coordinator saw.</summary>
    /// <param name="name">Such as "generation".</param>
    /// <param name="text">What of it, for a person.</param>
    /// <param name="step">Where the run is.</param>
    /// <param name="at">When it began, in microseconds since 1970.</param>
    /// <param name="duration">How long it took, in microseconds; null: it is a moment.</param>
    public void Event(string name, string text, long step, long at, long? duration = null) =>
        Write(new TimelineLine { Event = name, Text = text, Step = step, At = at, Duration = duration });

    /// <summary>Writes what is waiting.</summary>
    public void Flush() => _file?.Flush();

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    /// <summary>Reads a file; a line that is damaged, or that is still being written, is left out.</summary>
    public static IEnumerable<TimelineLine> Read(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        while (reader.ReadLine() is { } text)
        {
            TimelineLine? line = null;
            try
            {
                line = JsonSerializer.Deserialize<TimelineLine>(text, Json);
            }
            catch (JsonException)
            {
                // Cut off by a crash.
            }

            if (line is not null)
            {
                yield return line;
            }
        }
    }

    private void Write(TimelineLine line)
    {
        if (_file is { } file && file.Length < _limit)
        {
            file.Add(JsonSerializer.Serialize(line, Json));
        }
    }
}

/// <summary>A line of the file: spans of a track, or an event.</summary>
public sealed record TimelineLine
{
    /// <summary>The node whose spans these are; null: an event.</summary>
    public string? Node { get; init; }

    /// <summary>The worker or partition.</summary>
    public string? Track { get; init; }

    /// <summary>What is added to the node's times to get the coordinator's.</summary>
    public long Offset { get; init; }

    /// <summary>By how much that may be wrong; null: it is not known.</summary>
    public long? OffsetError { get; init; }

    /// <summary>Spans of this track that did not fit, so far; null: none.</summary>
    public long? Lost { get; init; }

    /// <summary>Microseconds since 1970: what starts count from, or when the event was.</summary>
    public long At { get; init; }

    /// <summary>Kind (<see cref="SpanKind"/>), step, start and duration of each.</summary>
    public long[][]? Spans { get; init; }

    /// <summary>Of an event: its name.</summary>
    public string? Event { get; init; }

    /// <summary>What of it.</summary>
    public string? Text { get; init; }

    /// <summary>Where the run was.</summary>
    public long? Step { get; init; }

    /// <summary>How long it took, in microseconds; null: a moment.</summary>
    public long? Duration { get; init; }
}
