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
    private readonly Source _source;

    public SharedFloats(int length)
    {
        _source = new Source(length);
        Values = new AlignedBuffer(_source);
    }

    /// <summary>The numbers.</summary>
    public AlignedBuffer Values { get; }

    public void Dispose() => ((IDisposable)_source).Dispose();

    private sealed class Source(int length) : MemoryManager<float>
    {
        private readonly SharedBuffer _buffer = SharedMemory.Allocate(length);

        public override Span<float> GetSpan() => _buffer.Floats;

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException("shared floats: they never move, take the span.");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing) => _buffer.Dispose();
    }
}
