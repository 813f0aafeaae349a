using System.Buffers;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster;

/// <summary>
/// A buffer that other processes of this host can read in place, where that is possible. It is not collected: whoever made
/// it disposes of it, once nobody reads it.
/// </summary>
internal sealed class SharedFloats : IDisposable
{
    private readonly SharedBuffer _buffer;
    private Action? _end;

    public SharedFloats(int length)
    {
        _buffer = SharedMemory.Allocate(length);
        (Values, _end) = (new AlignedBuffer(new Source(_buffer, 0, length)), _buffer.Dispose);
    }

    private SharedFloats(SharedBuffer buffer, int offset, int length, Action end) =>
        (_buffer, Values, _end) = (buffer, new AlignedBuffer(new Source(buffer, offset, length)), end);

    /// <summary>The numbers.</summary>
    public AlignedBuffer Values { get; }

    /// <summary>A part of them.</summary>
    /// <param name="offset">A multiple of 16: on a 64-byte border.</param>
    /// <param name="length">So many.</param>
    /// <param name="end">What is done when the part is disposed of; the whole has to live until then.</param>
    public SharedFloats Slice(int offset, int length, Action end) => new(_buffer, offset, length, end);

    public void Dispose() => Interlocked.Exchange(ref _end, null)?.Invoke();

    private sealed class Source(SharedBuffer buffer, int offset, int length) : MemoryManager<float>
    {
        public override Span<float> GetSpan() => buffer.Floats.Slice(offset, length);

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException("shared floats: they never move, take the span.");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
