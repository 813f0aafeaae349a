using System.Net.Sockets;
using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Sockets;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>A peer whose memory and messages can't be trusted.</summary>
public sealed class ForeignMemoryTests : IDisposable
{
    private const int Length = 1 << 16;

    private readonly string _folder = Directory.CreateTempSubdirectory("dtf").FullName;
    private readonly OfferHandler _server = new();
    private readonly TaskCompletionSource<IChannel> _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _degraded = [];
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _rejected = [];
    private readonly IChannelListener _listener;

    public ForeignMemoryTests() => _listener = new SharedMemoryTransport().Listen(
        $"shared-memory://{_folder}/s",
        channel =>
        {
            _accepted.TrySetResult(channel);
            return _server;
        },
        new ChannelOptions { MaximumPayloadBytes = Length, Degraded = _degraded.Enqueue, Rejected = _rejected.Enqueue });

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("good", null)]
    [InlineData("offset beyond the region", "region 0 has 65536")]
    [InlineData("offset that overflows", "region 0 has 65536")]
    [InlineData("negative offset", "a lent payload at -64")]
    [InlineData("unaligned", "a lent payload at 2")]
    [InlineData("slot too large", "no slot 1024")]
    [InlineData("negative slot", "no slot -1")]
    [InlineData("region too large", "no region 64")]
    [InlineData("negative region", "no region -1")]
    [InlineData("slot twice", "slot 3 is lent already")]
    [InlineData("empty", "a lent payload without bytes")]
    [InlineData("too long", "65537 bytes, MaximumPayloadBytes is 65536")]
    [InlineData("hello", "a second hello")]
    [InlineData("not lent, with a slot", "a place for a payload that is not lent")]
    [InlineData("lent in a third way", "reserved bytes are not zero")]
    [InlineData("reserved", "reserved bytes are not zero")]
    [InlineData("magic", "magic")]
    public void A_malformed_descriptor_closes_the_channel_with_what_is_wrong(string fault, string? problem)
    {
        using var peer = RawShared.Open(_listener.Address);
        using var file = MemoryFile.Create(Length, readOnlyForPeers: true);
        Assert.True(file.Commit(0, Length, out _));
        peer.Announce(file);
        var good = new FrameRecord(Bytes.Header() with { PayloadBytes = 4096 }, Lent: true, Slot: 3, Region: 0, Offset: 64);
        peer.Write(good);
        var lease = _server.AwaitLeases(1)[0].Lease;
        Assert.Equal(4096, lease.Bytes.Length);

        var next = good with { Slot = 4 };
        var bad = new byte[FrameRecord.Bytes];
        (fault switch
        {
            "offset beyond the region" => next with { Offset = Length - 4092 },
            "offset that overflows" => next with { Offset = long.MaxValue - 3 },
            "negative offset" => next with { Offset = -64 },
            "unaligned" => next with { Offset = 2 },
            "slot too large" => next with { Slot = Segment.Slots },
            "negative slot" => next with { Slot = -1 },
            "region too large" => next with { Region = SharedRegion.Maximum },
            "negative region" => next with { Region = -1 },
            "slot twice" => good,
            "empty" => next with { Header = next.Header with { PayloadBytes = 0 } },
            "too long" => next with { Header = next.Header with { PayloadBytes = Length + 1 } },
            "hello" => next with { Header = next.Header with { Kind = FrameKind.Hello } },
            _ => next,
        }).Write(bad);
        if (fault == "not lent, with a slot") bad[80] = 0;
        if (fault == "lent in a third way") bad[80] = 2;
        if (fault == "reserved") bad[127] = 1;
        if (fault == "magic") bad[0] ^= 1;
        peer.Write(bad);
        if (problem is null)
        {
            _server.AwaitLeases(2)[1].Lease.Dispose();
        }
        else
        {
            Assert.Contains(problem, _server.Copies.AwaitClosed());
            Assert.Equal(4096, lease.Bytes.Length);
            Assert.Single(_server.AwaitLeases(1));
        }

        lease.Dispose();
    }

    [Theory]
    [InlineData("not announced", "in region 0, which was not announced")]
    [InlineData("twice", "kind Region with number 0")]
    [InlineData("number", "kind Region with number 64")]
    [InlineData("shorter than announced", "announced 131072 bytes and handed over 65536")]
    [InlineData("a file", "no memory of a sealed length")]
    [InlineData("no descriptor", "kind Region without a descriptor")]
    [InlineData("a descriptor too many", "kind Closed with a descriptor")]
    [InlineData("another kind", "kind 9")]
    [InlineData("garbage", "a malformed message")]
    [InlineData("half", "in the middle of a message")]
    public void A_malformed_message_at_the_socket_closes_the_channel_with_what_is_wrong(string fault, string problem)
    {
        using var peer = RawShared.Open(_listener.Address);
        using var file = MemoryFile.Create(Length, readOnlyForPeers: true);
        using var plain = File.Open(Path.Combine(_folder, "file"), FileMode.Create);
        plain.SetLength(Length);
        switch (fault)
        {
            case "not announced":
                peer.Write(new FrameRecord(Bytes.Header() with { PayloadBytes = 4096 }, Lent: true, 0, 0, 0));
                peer.Socket.Shutdown(SocketShutdown.Send);
                break;
            case "twice":
                peer.Announce(file);
                peer.Announce(file);
                break;
            case "number":
                peer.Announce(file, SharedRegion.Maximum);
                break;
            case "shorter than announced":
                peer.Announce(file, length: 2 * Length);
                break;
            case "a file":
                new Wire(WireKind.Region, 0, Length).Send(peer.Socket, (int)plain.SafeFileHandle.DangerousGetHandle());
                break;
            case "no descriptor":
                new Wire(WireKind.Region, 0, Length).Send(peer.Socket);
                break;
            case "a descriptor too many":
                new Wire(WireKind.Closed, 0, 0).Send(peer.Socket, file.Descriptor);
                break;
            case "another kind":
                new Wire((WireKind)9, 0, 0).Send(peer.Socket);
                break;
            case "garbage":
                peer.Socket.Send(Bytes.Random(24, 1));
                break;
            default:
                peer.Socket.Send(new byte[10]);
                peer.Socket.Shutdown(SocketShutdown.Send);
                break;
        }

        Assert.Contains(problem, _server.Copies.AwaitClosed());
    }

    [Fact]
    public void A_slot_given_back_that_is_not_lent_closes_the_channel()
    {
        using var peer = RawShared.Open(_listener.Address);
        peer.Segment.GiveBack(70);
        Assert.Contains("gave back slot 70, which is not lent", _server.Copies.AwaitClosed());
    }

    [Theory]
    [InlineData(Segment.RingBytes + 1)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public unsafe void An_impossible_count_of_what_was_written_closes_the_channel(long count)
    {
        using var peer = RawShared.Open(_listener.Address);
        *peer.Segment.OutWritten = count;
        peer.Segment.PeerArrivals.Ring();
        Assert.Contains("count of bytes is impossible", _server.Copies.AwaitClosed());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-Segment.RingBytes - 1)]
    public unsafe void An_impossible_count_of_what_was_read_closes_the_channel(long count)
    {
        using var peer = RawShared.Open(_listener.Address);
        var channel = _accepted.Task.Await("the connection");
        *peer.Segment.InRead = count;
        Assert.Throws<ChannelClosedException>(() => channel.Send(Bytes.Header(), new byte[1000]));
        Assert.Contains("count of bytes is impossible", _server.Copies.AwaitClosed());
    }

    /// <summary>Any damage to what stands in the ring, from a fixed seed: no crash, no lost listener.</summary>
    [Fact]
    public void Random_bytes_in_the_ring_do_no_harm()
    {
        var random = new Random(20260101);
        for (var round = 0; round < 150; round++)
        {
            using var peer = RawShared.Open(_listener.Address);
            using var file = MemoryFile.Create(Length, readOnlyForPeers: true);
            if (round % 2 == 0) peer.Announce(file);
            var bytes = new byte[FrameRecord.Bytes * 3];
            for (var i = 0; i < 3; i++) new FrameRecord(Bytes.Header(i) with { PayloadBytes = 4096 }, Lent: i == 1, 0, 0, 0).Write(bytes.AsSpan(i * FrameRecord.Bytes));
            for (var i = 0; i < 3; i++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            peer.Write(bytes);
        }

        using var friend = new SharedMemoryTransport().Connect(_listener.Address, new RecordingHandler(), new ChannelOptions());
        friend.Send(Bytes.Header(1), [1]);
        Assert.True(friend.IsOpen);
    }

    [Fact]
    public void What_can_not_be_mapped_leaves_the_plain_socket()
    {
        using var socket = RawShared.Greet(_listener.Address);
        using var file = MemoryFile.Create(Length, readOnlyForPeers: false);
        new Wire(WireKind.Segment, 0, Length).Send(socket, file.Descriptor);
        Assert.Null(Wire.Receive(socket, null, out var answer, out _));
        Assert.Equal(new Wire(WireKind.Mapped, 0, 0), answer);
        var channel = Assert.IsType<SocketChannel>(_accepted.Task.Await("the channel"));
        Assert.Contains("no shared memory, the socket carries all: shared memory: a segment of 65536 bytes", Assert.Single(_degraded));
        var frame = new byte[FrameFormat.HeaderBytes];
        FrameFormat.Write(Bytes.Header(5), frame);
        socket.Send(frame);
        Assert.Equal(5, _server.Copies.AwaitFrames(1)[0].Header.Step);
        channel.Dispose();
    }

    [Fact]
    public void A_listener_that_does_not_share_leaves_the_plain_socket_and_the_reason()
    {
        // A plain listener of an older release: its hello knows no flags.
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"{_folder}/old"));
        listener.Listen();
        var peer = Patience.Start(() =>
        {
            using var socket = listener.Accept();
            var hello = new byte[FrameFormat.HeaderBytes];
            SocketBytes.ReceiveAll(socket, hello);
            Hello.Send(new SocketLine(socket), 0);
            SocketBytes.ReceiveAll(socket, hello);
        });
        var degraded = new List<string>();
        using (var channel = new SharedMemoryTransport().Connect($"shared-memory://{_folder}/old", new RecordingHandler(), new ChannelOptions { Degraded = degraded.Add }))
        {
            Assert.IsType<SocketChannel>(channel);
            Assert.Contains("the peer can't share memory", Assert.Single(degraded));
        }

        peer.Await();
    }

    [Theory]
    [InlineData("silence", "not received in time")]
    [InlineData("dribble", "not received in time")]
    [InlineData("frame", "a malformed message")]
    [InlineData("region", "the first message is Region")]
    [InlineData("end", "the peer closed the connection")]
    public void A_peer_that_offers_memory_and_does_not_keep_its_word_is_turned_away(string fault, string problem)
    {
        var rejected = new TaskCompletionSource<string>();
        using var listener = new SharedMemoryTransport().Listen(
            $"shared-memory://{_folder}/t", _ => new RecordingHandler(),
            new ChannelOptions { HelloTimeout = TimeSpan.FromMilliseconds(150), Rejected = reason => rejected.TrySetResult(reason) });
        using var socket = RawShared.Greet(listener.Address);
        using var file = MemoryFile.Create(Length, readOnlyForPeers: false);
        if (fault == "frame") socket.Send(Bytes.Random(80, 1));
        if (fault == "region") new Wire(WireKind.Region, 0, Length).Send(socket, file.Descriptor);
        if (fault == "end") socket.Dispose();
        while (fault == "dribble" && !rejected.Task.IsCompleted)
        {
            // A byte at most every few milliseconds, and never a whole message.
            try { socket.Send(new byte[1]); }
            catch (SocketException) { break; }
            ((IAsyncResult)rejected.Task).AsyncWaitHandle.WaitOne(10);
        }

        Assert.Contains(problem, rejected.Task.Await("the rejection"));
    }

    [Fact]
    public void A_region_that_is_lent_can_not_be_written_by_the_peer()
    {
        using var file = MemoryFile.Create(Length, readOnlyForPeers: true);
        var copy = new Microsoft.Win32.SafeHandles.SafeFileHandle(file.Descriptor, ownsHandle: false);
        Assert.ThrowsAny<Exception>(() => RandomAccess.Write(copy, [1], 0));
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(copy, 0));
    }
}
