namespace DistributedTrainer.Data.Supply;

/// <summary>Some records, one behind the other: in memory, or in a file of the cache that is mapped.</summary>
internal sealed class RecordSegment
{
    private readonly byte[]? _held;
    private readonly MappedFile? _file;

    public RecordSegment(byte[] held) => _held = held;

    public RecordSegment(MappedFile file) => _file = file;

    public void Read(long offset, Span<byte> into)
    {
        if (_held is not null)
        {
            _held.AsSpan((int)offset, into.Length).CopyTo(into);
        }
        else
        {
            _file!.Read(offset, into);
        }
    }
}
