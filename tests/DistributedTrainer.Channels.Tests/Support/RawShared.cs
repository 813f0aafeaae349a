using System.Net.Sockets;
using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Sockets;
using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>A peer that shares memory and says whatever it likes.</summary>
internal sealed class RawShared : IDisposable
{
    private RawShared(Socket socket, Segment segment)
    {
        Socket = socket;
        Segment = segment;
    }

    public Socket Socket { get; }

    public Segment Segment { get; }

    public static RawShared Open(string address)
    {
        var socket = Greet(address);
        var segment = Segment.Create();
        Assert.True(SharedHandshake.Offer(socket, segment, new ChannelOptions()));
        return new RawShared(socket, segment);
    }

    /// <summary>A connection after hellos that agreed upon shared memory.</summary>
    public static Socket Greet(string address)
    {
        var socket = SocketTransport.Greet(SocketAddress.ParseShared(address), new ChannelOptions(), Hello.SharedMemory, out var answer).Socket;
        Assert.Equal(Hello.SharedMemory, answer);
        return socket;
    }

    public void Announce(MemoryFile file, int number = 0, long? length = null) =>
        new Wire(WireKind.Region, number, length ?? file.Length).Send(Socket, file.Descriptor);

    public void Write(ReadOnlySpan<byte> bytes)
    {
        Segment.Out.Write(bytes);
        Segment.Out.Announce();
        Segment.PeerArrivals.Ring();
    }

    public void Write(FrameRecord record)
    {
        Span<byte> bytes = stackalloc byte[FrameRecord.Bytes];
        record.Write(bytes);
        Write(bytes);
    }

    public void Dispose()
    {
        Socket.Dispose();
        Segment.Dispose();
    }
}
