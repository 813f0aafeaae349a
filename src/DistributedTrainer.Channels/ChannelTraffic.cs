namespace DistributedTrainer.Channels;

/// <summary>
/// Frames and bytes (headers included) that this process has sent and received over one kind of channel since it started.
/// Counting costs some nanoseconds a frame; any thread may read.
/// </summary>
public sealed class ChannelTraffic
{
    private static long _refused;

    private long _sentFrames;
    private long _sentBytes;
    private long _receivedFrames;
    private long _receivedBytes;

    private ChannelTraffic(string kind) => Kind = kind;

    /// <summary>References within the process.</summary>
    public static ChannelTraffic InProcess { get; } = new("in-process");

    /// <summary>Memory that processes of one machine share.</summary>
    public static ChannelTraffic SharedMemory { get; } = new("shared-memory");

    /// <summary>Unix domain sockets.</summary>
    public static ChannelTraffic Unix { get; } = new("unix");

    /// <summary>TCP, plain.</summary>
    public static ChannelTraffic Tcp { get; } = new("tcp");

    /// <summary>TCP, encrypted; its bytes are those before encryption.</summary>
    public static ChannelTraffic Tls { get; } = new("tls");

    /// <summary>All kinds.</summary>
    public static IReadOnlyList<ChannelTraffic> All { get; } = [InProcess, SharedMemory, Unix, Tcp, Tls];

    /// <summary>Frames that this process has refused, whatever they came over: most belong to an assignment that is over.</summary>
    public static long Refused => Volatile.Read(ref _refused);

    /// <summary>Its name in addresses; tls for TCP that is encrypted.</summary>
    public string Kind { get; }

    /// <summary>Frames that were sent.</summary>
    public long SentFrames => Volatile.Read(ref _sentFrames);

    /// <summary>Their bytes.</summary>
    public long SentBytes => Volatile.Read(ref _sentBytes);

    /// <summary>Frames that came.</summary>
    public long ReceivedFrames => Volatile.Read(ref _receivedFrames);

    /// <summary>Their bytes.</summary>
    public long ReceivedBytes => Volatile.Read(ref _receivedBytes);

    /// <summary>One more was refused.</summary>
    public static void CountRefused() => Interlocked.Increment(ref _refused);

    internal void Sent(int payloadBytes)
    {
        Interlocked.Increment(ref _sentFrames);
        Interlocked.Add(ref _sentBytes, FrameFormat.HeaderBytes + payloadBytes);
    }

    internal void Received(int payloadBytes)
    {
        Interlocked.Increment(ref _receivedFrames);
        Interlocked.Add(ref _receivedBytes, FrameFormat.HeaderBytes + payloadBytes);
    }
}
