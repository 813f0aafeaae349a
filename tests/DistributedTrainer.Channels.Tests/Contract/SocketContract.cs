using System.Net.Sockets;
using DistributedTrainer.Channels.Sockets;
using DistributedTrainer.Channels.Tests.Support;
using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels.Tests.Contract;

/// <summary>What the transports over sockets promise beyond that: peers that lie, fall silent, die or never were ours.</summary>
public abstract partial class SocketContract : TransportContract
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(150);

    private protected override ITransport Transport { get; } = new SocketTransport();

    private protected sealed override int SendersHeldByTheSystem => 1;

    [Fact]
    public void A_peer_that_says_nothing_is_turned_away_when_its_time_is_over()
    {
        var rejected = new TaskCompletionSource<string>();
        using var listener = Listen(new ChannelOptions { HelloTimeout = Soon, Rejected = reason => rejected.TrySetResult(reason) });
        using var silent = Dial(listener.Address);
        Assert.Contains("hello: not received in time", rejected.Task.Await("the rejection"));
        Assert.Equal(0, silent.Receive(new byte[1]));
    }

    [Fact]
    public void A_peer_that_dribbles_its_hello_gains_no_time()
    {
        var rejected = new TaskCompletionSource<string>();
        using var listener = Listen(new ChannelOptions { HelloTimeout = Soon, Rejected = reason => rejected.TrySetResult(reason) });
        using var slow = Dial(listener.Address);
        var dribbler = Patience.Start(() =>
        {
            try
            {
                while (!rejected.Task.IsCompleted)
                {
                    // A byte at most every few milliseconds, so that the 80 of a hello take longer than there is.
                    slow.Send(HelloBytes(0).AsSpan(0, 1));
                    ((IAsyncResult)rejected.Task).AsyncWaitHandle.WaitOne(10);
                }
            }
            catch (SocketException)
            {
                // Cut off while sending: as it should be.
            }
        });
        var reason = rejected.Task.Await("the rejection");
        dribbler.Await();
        Assert.Contains("hello", reason);
    }

    [Fact]
    public void A_listener_that_says_nothing_is_given_up_when_its_time_is_over()
    {
        using var mute = RawListener(backlog: 8, out var address);
        var failure = Assert.Throws<ChannelClosedException>(() => Transport.Connect(address, new RecordingHandler(), new ChannelOptions { HelloTimeout = Soon }));
        Assert.Contains("hello: not received in time", failure.Message);
        Assert.Contains(address, failure.Message);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("version")]
    [InlineData("push")]
    [InlineData("token")]
    [InlineData("closed")]
    [InlineData("half")]
    [InlineData("refused")]
    [InlineData("refused without a reason")]
    [InlineData("refused with half a reason")]
    public void A_wrong_answer_to_the_hello_is_an_error_that_says_so(string answer)
    {
        using var listener = RawListener(backlog: 8, out var address);
        var peer = Patience.Start(() =>
        {
            using var socket = listener.Accept();
            Assert.Equal(FrameFormat.HeaderBytes, SocketBytes.ReceiveAll(socket, new byte[FrameFormat.HeaderBytes]));
            socket.Send(answer switch
            {
                "garbage" => Bytes.Random(FrameFormat.HeaderBytes, 1),
                "version" => With(HelloBytes(0), 4, 99),
                "push" => FrameBytes(Bytes.Header(), 0),
                "token" => HelloBytes(99),
                "half" => HelloBytes(0)[..40],
                "refused" => [.. FrameBytes(Bytes.Header(kind: FrameKind.Refused), 4), .. "full"u8],
                "refused without a reason" => FrameBytes(Bytes.Header(kind: FrameKind.Refused), 0),
                "refused with half a reason" => [.. FrameBytes(Bytes.Header(kind: FrameKind.Refused), 40), .. "full"u8],
                _ => [],
            });
        });
        var failure = Assert.Throws<ChannelClosedException>(() => Transport.Connect(address, new RecordingHandler(), new ChannelOptions()));
        peer.Await();
        Assert.StartsWith($"connect: {address}: ", failure.Message);
        var expected = answer switch
        {
            "garbage" => "magic",
            "version" => "wire version 99",
            "push" => "the answer is Push",
            "token" => "another run token",
            "refused" => "refused: full",
            "refused without a reason" => "the answer is Refused",
            _ => "the peer closed the connection",
        };
        Assert.Contains(expected, failure.Message);
    }

    [Theory]
    [InlineData("magic")]
    [InlineData("hello")]
    [InlineData("length")]
    [InlineData("kind")]
    public void A_malformed_frame_closes_the_channel_with_what_is_wrong(string fault)
    {
        var server = new RecordingHandler();
        using var listener = Listen(new ChannelOptions { MaximumPayloadBytes = 1000 }, server);
        using var peer = DialAndGreet(listener.Address);
        peer.Send([.. FrameBytes(Bytes.Header(7), 3), 1, 2, 3]);
        server.AwaitFrames(1);
        peer.Send(fault switch
        {
            "magic" => With(FrameBytes(Bytes.Header(), 0), 0, 0),
            "hello" => HelloBytes(0),
            "length" => FrameBytes(Bytes.Header(), 1001),
            _ => With(FrameBytes(Bytes.Header(), 0), 5, 200),
        });
        var expected = fault switch { "magic" => "magic", "hello" => "a second hello", "length" => "1001 bytes", _ => "unknown kind 200" };
        Assert.Contains(expected, server.AwaitClosed());
        Assert.Single(server.Frames);
        server.AssertRulesKept();
    }

    [Theory]
    [InlineData(false, 3)]
    [InlineData(false, 80)]
    [InlineData(false, 90)]
    [InlineData(true, 80)]
    [InlineData(true, 90)]
    public void A_peer_that_ends_in_the_middle_of_a_frame_is_noticed(bool abruptly, int bytes)
    {
        using var reserved = new ManualResetEventSlim();
        var server = new RecordingHandler { OnReserve = (_, _) => reserved.Set() };
        using var listener = Listen(new ChannelOptions(), server);
        using (var peer = DialAndGreet(listener.Address))
        {
            byte[] frame = [.. FrameBytes(Bytes.Header(), 100), .. new byte[100]];
            peer.Send(frame.AsSpan(0, bytes));
            if (bytes >= FrameFormat.HeaderBytes) reserved.Await("Reserve");
            // Closing with this option resets a TCP connection instead of ending it.
            if (abruptly && peer.AddressFamily != AddressFamily.Unix) peer.LingerState = new LingerOption(true, 0);
        }

        var reason = server.AwaitClosed();
        Assert.True(reason.Contains("in the middle of a frame") || reason.Contains("connection lost"), reason);
        Assert.Equal(bytes >= FrameFormat.HeaderBytes ? 1 : 0, server.Abandonments);
        Assert.Empty(server.Frames);
        server.AssertRulesKept();
    }

    [Fact]
    public void A_peer_that_only_ends_its_own_sending_is_closed()
    {
        var server = new RecordingHandler();
        using var listener = Listen(new ChannelOptions(), server);
        using var peer = DialAndGreet(listener.Address);
        peer.Shutdown(SocketShutdown.Send);
        Assert.Equal("the peer closed the connection", server.AwaitClosed());
        Assert.Equal(0, peer.Receive(new byte[1]));
    }

    /// <summary>Releases are foreign code, which may wait for another sender: none may run inside Send's lock.</summary>
    [Fact]
    public void A_release_may_wait_for_another_sender_when_the_connection_is_lost()
    {
        using var listener = RawListener(backlog: 1, out var address);
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        using var otherLeft = new ManualResetEventSlim();
        var handler = new RecordingHandler
        {
            OnComplete = (_, _) =>
            {
                stuck.Set();
                goOn.Await("the test's permission");
            },
        };
        Socket? peer = null;
        var accepting = Patience.Start(() =>
        {
            peer = listener.Accept();
            SocketBytes.ReceiveAll(peer, new byte[FrameFormat.HeaderBytes]);
            // The reader is held up in its handler, so that the senders have to notice the loss.
            peer.Send([.. HelloBytes(0), .. FrameBytes(Bytes.Header(), 0)]);
        });
        using var channel = Transport.Connect(address, handler, new ChannelOptions());
        accepting.Await();
        stuck.Await("the handler's call");

        var waited = false;
        var queued = new CountingPayload(1) { OnRelease = () => waited = otherLeft.Wait(Patience.Limit) };
        var first = Patience.Start(() => SendUntilClosed(channel, 48_000_000));

        // What has arrived shows that the first sender is in the middle of its frame: the second one waits for it.
        Assert.Equal(FrameFormat.HeaderBytes, SocketBytes.ReceiveAll(peer!, new byte[FrameFormat.HeaderBytes]));
        var second = Patience.Start(() =>
        {
            SendUntilClosed(channel, 48_000_000);
            otherLeft.Set();
        });
        Patience.Until(() => second.IsWaiting, "the wait of one sender for the other");
        channel.Post(Bytes.Header(), new CountingPayload(1));
        channel.Post(Bytes.Header(), queued);
        peer!.LingerState = new LingerOption(true, 0);
        peer.Dispose();
        second.Await();
        first.Await();
        goOn.Set();
        handler.AwaitClosed();
        Patience.Until(() => queued.Releases == 1 && waited, "the release");
    }

    private protected IChannelListener Listen(ChannelOptions options, RecordingHandler? handler = null) =>
        Transport.Listen(FreshAddress(), _ => handler ?? new RecordingHandler(), options);

    /// <summary>A bare connection that has said nothing.</summary>
    private protected static Socket Dial(string address)
    {
        var end = Parse(address).EndPoints()[0];
        var socket = SocketAddress.CreateSocket(end);
        socket.Connect(end);
        return socket;
    }

    /// <summary>A bare connection after a proper hello.</summary>
    private protected static Socket DialAndGreet(string address)
    {
        var socket = Dial(address);
        socket.Send(HelloBytes(0));
        var answer = new byte[FrameFormat.HeaderBytes];
        Assert.Equal(answer.Length, SocketBytes.ReceiveAll(socket, answer));
        Assert.Equal(HelloBytes(0), answer);
        return socket;
    }

    /// <summary>A bare listening socket.</summary>
    private protected Socket RawListener(int backlog, out string address)
    {
        var parsed = Parse(FreshAddress());
        var end = parsed.EndPoints()[0];
        var socket = SocketAddress.CreateSocket(end);
        socket.Bind(end);
        socket.Listen(backlog);
        address = socket.LocalEndPoint is System.Net.IPEndPoint ip ? $"tcp://{ip}" : parsed.ToString();
        return socket;
    }

    private static SocketAddress Parse(string address) =>
        address.StartsWith("shared-memory:", StringComparison.Ordinal) ? SocketAddress.ParseShared(address) : SocketAddress.Parse(address);

    private protected static byte[] HelloBytes(ulong token) => FrameBytes(new FrameHeader { Kind = FrameKind.Hello, Run = token }, 0);

    private protected static byte[] FrameBytes(FrameHeader header, int payloadBytes)
    {
        var bytes = new byte[FrameFormat.HeaderBytes];
        FrameFormat.Write(header with { PayloadBytes = payloadBytes }, bytes);
        return bytes;
    }

    private protected static byte[] With(byte[] bytes, int position, byte value)
    {
        bytes[position] = value;
        return bytes;
    }
}
