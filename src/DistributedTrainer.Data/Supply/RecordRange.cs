namespace DistributedTrainer.Data.Supply;

/// <summary>Records of one set: First, First + Stride, First + 2 · Stride, …: Count of them. With as many shards as the stride, those of one shard.</summary>
/// <param name="Set">Its place in the description.</param>
/// <param name="First">From 0.</param>
/// <param name="Stride">1 at least.</param>
/// <param name="Count">1 at least.</param>
public readonly record struct RecordRange(int Set, int First, int Stride, int Count)
{
    /// <summary>The last record.</summary>
    public long Last => First + ((Count - 1L) * Stride);

    /// <summary>A part of it.</summary>
    public RecordRange Slice(int start, int count) => this with { First = First + (start * Stride), Count = count };
}

/// <summary>Where records come from that this process does not have.</summary>
public interface IRecordSource
{
    /// <summary>Fetches records, one behind the other; goes on where it was cut off, as soon as there is somebody who has them.</summary>
    /// <param name="range">Which.</param>
    /// <param name="into">(Count · RecordBytes)</param>
    /// <param name="isGivenUp">Whether nobody waits for them any more; looked at while there is nobody who has them.</param>
    /// <returns>False: given up.</returns>
    /// <exception cref="IOException">They cannot be had.</exception>
    bool Fetch(RecordRange range, Span<byte> into, Func<bool> isGivenUp);
}
