using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Timeline;

/// <summary>Takes what was recorded and makes messages of it.</summary>
internal static class SpanReport
{
    /// <summary>Spans of a message at most: some 15 KB.</summary>
    public const int Limit = 500;

    /// <summary>All that is there; mostly nothing.</summary>
    /// <param name="record">Where.</param>
    /// <param name="run">Of which run.</param>
    /// <param name="node">The node.</param>
    /// <param name="track">What of it.</param>
    /// <param name="clock">The node's.</param>
    public static IEnumerable<Nodes.Recorded> Take(SpanRecord record, RunId run, NodeId node, string track, NodeClock clock)
    {
        while (record.Take(Limit) is { Length: > 0 } spans)
        {
            var first = NodeClock.At(spans[0].Start);
            var offset = clock.Offset;
            yield return new Nodes.Recorded(
                run, node, track, offset?.Offset ?? 0, offset?.Error, record.Lost, first,
                Array.ConvertAll(spans, static span => (int)span.Kind),
                Array.ConvertAll(spans, static span => span.Step),
                Array.ConvertAll(spans, span => NodeClock.At(span.Start) - first),
                Array.ConvertAll(spans, static span => NodeClock.At(span.End) - NodeClock.At(span.Start)));
        }
    }
}
