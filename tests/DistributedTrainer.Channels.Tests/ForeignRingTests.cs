using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>Peers that write whatever they like into the memory that both ends share, from a fixed seed.</summary>
public sealed class ForeignRingTests : IDisposable
{
    private const int Peers = 400;
    private const int FramesPerPeer = 60;

    private readonly string _folder = Directory.CreateTempSubdirectory("dtr").FullName;
    private readonly Random _random = new(20260105);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public unsafe void Arbitrary_records_and_counts_close_the_channel_and_do_nothing_else()
    {
        var (accepted, closings, completed) = (0, 0, 0);
        using var listener = new SharedMemoryTransport().Listen(
            $"shared-memory://{_folder}/s",
            _ =>
            {
                Interlocked.Increment(ref accepted);
                return new RecordingHandler
                {
                    Refuses = header => header.Step % 3 == 0,
                    Keeps = false,
                    OnComplete = (_, _) => Interlocked.Increment(ref completed),
                    OnClosed = _ => Interlocked.Increment(ref closings),
                };
            },
            new ChannelOptions { MaximumPayloadBytes = 4096 });
        using var region = MemoryFile.Create(1 << 16, readOnlyForPeers: true);
        Assert.True(region.Commit(0, 1 << 16, out _));
        for (var i = 0; i < Peers; i++)
        {
            using var peer = RawShared.Open(listener.Address);
            if (_random.Next(2) == 0) peer.Announce(region);
            for (var frame = _random.Next(FramesPerPeer * 2); frame > 0; frame--) peer.Write(Good());
            switch (_random.Next(5))
            {
                case 0:
                    peer.Write(Bytes.Random(_random.Next(1, 2000), _random.Next()));
                    break;
                case 1:
                    // A count of what was written, or read, that cannot be.
                    *(_random.Next(2) == 0 ? peer.Segment.OutWritten : peer.Segment.InRead) = _random.NextInt64();
                    peer.Segment.PeerArrivals.Ring();
                    break;
                case 2:
                    peer.Write(Damaged());
                    break;
                case 3:
                    peer.Write(Lent());
                    break;
                default:
                    var torn = Good();
                    peer.Write(torn.AsSpan(0, _random.Next(torn.Length)));
                    break;
            }
        }

        Patience.Until(() => Volatile.Read(ref closings) == Peers, "the end of every channel");
        Assert.Equal(Peers, Volatile.Read(ref accepted));
        Assert.InRange(Volatile.Read(ref completed), Peers * FramesPerPeer / 4, Peers * FramesPerPeer * 2);

        var server = new OfferHandler();
        using var friend = new SharedMemoryTransport().Connect(listener.Address, server, new ChannelOptions());
        friend.Send(Bytes.Header(1), [1]);
        Patience.Until(() => Volatile.Read(ref accepted) == Peers + 1, "the friend");
        Assert.True(friend.IsOpen);
    }

    /// <summary>A whole frame with arbitrary fields, as it lies in the ring.</summary>
    private byte[] Good()
    {
        var payload = Bytes.Random(_random.Next(600), _random.Next());
        var header = new FrameHeader
        {
            Kind = (FrameKind)_random.Next((int)FrameKind.Push, (int)FrameKind.Restore + 1),
            Flags = (byte)_random.Next(256),
            Run = (ulong)_random.NextInt64(),
            Step = _random.NextInt64(),
            Partition = _random.Next(),
            PayloadBytes = payload.Length,
        };
        var bytes = new byte[FrameRecord.Bytes + payload.Length + RingReader.PadOf(payload.Length)];
        new FrameRecord(header, Lent: false, 0, 0, 0).Write(bytes);
        payload.CopyTo(bytes, FrameRecord.Bytes);
        return bytes;
    }

    private byte[] Damaged()
    {
        var bytes = Good();
        for (var times = _random.Next(1, 4); times > 0; times--) bytes[_random.Next(FrameRecord.Bytes)] ^= (byte)(1 << _random.Next(8));
        return bytes;
    }

    /// <summary>A payload that is said to lie in a region: sometimes it does.</summary>
    private byte[] Lent()
    {
        var bytes = new byte[FrameRecord.Bytes];
        var header = Bytes.Header() with { PayloadBytes = _random.Next(-10, 6000) };
        new FrameRecord(header, Lent: true, _random.Next(-1, Segment.Slots + 1), _random.Next(-1, 3), _random.NextInt64(-100, 1 << 17)).Write(bytes);
        return bytes;
    }
}
