namespace DistributedTrainer.Channels.Shared;

/// <summary>
/// The memory that the two ends of a connection share: for each direction a ring of frames, the bits of lent payloads
/// that were given back, and the bells. Made by the connecting end.
/// </summary>
/// <remarks>
/// A page for each direction: <c>0 bytes written i64 · 8 bell of the receiver u32 · 128 bytes read i64 · 136 bell of the
/// sender u32 · 256 receiver sleeps u32 · 384 sender sleeps u32 · 512 slots given back, 1024 bits</c>; then the two rings.
/// What one end writes and the other reads stands together, two cache lines from the rest (processors fetch them in pairs).
/// </remarks>
internal sealed unsafe class Segment : IDisposable
{
    /// <summary>
    /// Bytes of a ring: several <see cref="ChunkBytes"/>, so that a large payload is written at one end while it is read
    /// at the other, and few switches between the two where they share a core; few enough to stay in a second-level cache.
    /// </summary>
    public const int RingBytes = 1 << 20;

    /// <summary>What is copied before the other end hears of it: a few microseconds of copying, more than waking it costs.</summary>
    public const int ChunkBytes = 128 * 1024;

    /// <summary>Payloads that may be lent in one direction at the same time; further ones are copied. As many as posted frames may wait.</summary>
    public const int Slots = 1024;

    /// <summary>Bytes of a segment.</summary>
    public const long Bytes = 2 * PageBytes + 2 * RingBytes;

    private const int PageBytes = 4096;

    private readonly MemoryFile _file;
    private readonly int _side;

    private Segment(MemoryFile file, int side)
    {
        _file = file;
        _side = side;
        Out = new RingWriter(Page(side), Ring(side));
        In = new RingReader(Page(1 - side), Ring(1 - side));
        Arrivals = new Bell(Counter(Page(1 - side), 8), Counter(Page(1 - side), 256));
        Room = new Bell(Counter(Page(side), 136), Counter(Page(side), 384));
        PeerArrivals = new Bell(Counter(Page(side), 8), Counter(Page(side), 256));
        PeerRoom = new Bell(Counter(Page(1 - side), 136), Counter(Page(1 - side), 384));
    }

    /// <summary>What this end sends.</summary>
    public RingWriter Out { get; }

    /// <summary>What it receives.</summary>
    public RingReader In { get; }

    /// <summary>Where this end's reader waits for frames and for payloads that come back.</summary>
    public Bell Arrivals { get; }

    /// <summary>Where this end's sender waits for room in its ring.</summary>
    public Bell Room { get; }

    /// <summary>Where the peer's reader waits.</summary>
    public Bell PeerArrivals { get; }

    /// <summary>Where the peer's sender waits.</summary>
    public Bell PeerRoom { get; }

    /// <summary>For handing it to the peer, before <see cref="CloseDescriptor"/>.</summary>
    public int Descriptor => _file.Descriptor;

    /// <summary>This end's counts as they stand in the memory, for tests of ends that lie.</summary>
    internal long* OutWritten => (long*)Page(_side);

    /// <summary>See <see cref="OutWritten"/>.</summary>
    internal long* InRead => (long*)(Page(1 - _side) + 128);

    /// <exception cref="IOException">There is no memory for it.</exception>
    public static Segment Create()
    {
        var file = MemoryFile.Create(Bytes, readOnlyForPeers: false);
        if (file.Commit(0, Bytes, out var reason)) return new Segment(file, side: 0);
        file.Dispose();
        throw new IOException(reason);
    }

    /// <exception cref="IOException">It is not what the other end announced.</exception>
    public static Segment Adopt(int descriptor, long length)
    {
        if (length == Bytes) return new Segment(MemoryFile.Adopt(descriptor, length, writable: true), side: 1);
        Libc.Close(descriptor);
        throw new IOException($"shared memory: a segment of {length} bytes, not {Bytes}. Run the same release on all nodes.");
    }

    public void CloseDescriptor() => _file.CloseDescriptor();

    /// <summary>The receiver's: a payload is given back.</summary>
    public void GiveBack(int slot)
    {
        Interlocked.Or(ref ReturnedWord(1 - _side, slot / 64), 1UL << (slot % 64));
        PeerArrivals.Ring();
    }

    /// <summary>The sender's: takes the bits of 64 slots that were given back.</summary>
    public ulong TakeReturned(int word)
    {
        ref var bits = ref ReturnedWord(_side, word);
        return Volatile.Read(ref bits) == 0 ? 0 : Interlocked.Exchange(ref bits, 0);
    }

    /// <summary>Nobody of this process may use it any more.</summary>
    public void Dispose() => _file.Dispose();

    private static uint* Counter(byte* page, int at) => (uint*)(page + at);

    private byte* Page(int direction) => _file.Start + direction * PageBytes;

    private byte* Ring(int direction) => _file.Start + 2 * PageBytes + direction * RingBytes;

    private ref ulong ReturnedWord(int direction, int word) => ref ((ulong*)(Page(direction) + 512))[word];
}
