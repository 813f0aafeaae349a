using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

/// <summary>What every transport promises, whatever carries the bytes. One class a transport runs it all.</summary>
public abstract partial class TransportContract
{
    private protected abstract ITransport Transport { get; }

    /// <summary>An address to listen at, another one at every call; the listener may complete it.</summary>
    private protected abstract string FreshAddress();

    /// <summary>Addresses that this transport must not accept.</summary>
    private protected abstract string[] ForeignAddresses { get; }

    /// <summary>How many of the threads that wait in Send wait in a system call, where the runtime does not see it.</summary>
    private protected virtual int SendersHeldByTheSystem => 0;

    private protected Link Open(
        RecordingHandler? client = null, RecordingHandler? server = null, ChannelOptions? clientOptions = null, ChannelOptions? serverOptions = null) =>
        Link.Open(Transport, FreshAddress(), client, server, clientOptions, serverOptions);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Frames_arrive_whole_and_in_order(bool post)
    {
        int[] lengths = [0, 1, 79, 80, 81, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000];
        using var link = Open();
        for (var i = 0; i < 130; i++)
        {
            var payload = Bytes.Random(lengths[i % lengths.Length], seed: i);
            if (post) link.Client.Post(HeaderOf(i), new CountingPayload(payload));
            else link.Client.Send(HeaderOf(i), payload);
        }

        var frames = link.ServerHandler.AwaitFrames(130);
        for (var i = 0; i < 130; i++)
        {
            var expected = Bytes.Random(lengths[i % lengths.Length], seed: i);
            Assert.Equal(HeaderOf(i) with { PayloadBytes = expected.Length }, frames[i].Header);
            Assert.True(expected.AsSpan().SequenceEqual(frames[i].Payload), $"payload of frame {i}");
        }
    }

    [Fact]
    public void Both_ends_send_at_the_same_time()
    {
        using var link = Open();
        var server = Patience.Start(() =>
        {
            for (var i = 0; i < 50; i++) link.Server.Send(Bytes.Header(i), Bytes.Random(100_000, i));
        });
        for (var i = 0; i < 50; i++) link.Client.Send(Bytes.Header(i), Bytes.Random(100_000, 100 + i));
        server.Await();
        var atServer = link.ServerHandler.AwaitFrames(50);
        var atClient = link.ClientHandler.AwaitFrames(50);
        for (var i = 0; i < 50; i++)
        {
            Assert.True(atServer[i].Payload.AsSpan().SequenceEqual(Bytes.Random(100_000, 100 + i)));
            Assert.True(atClient[i].Payload.AsSpan().SequenceEqual(Bytes.Random(100_000, i)));
        }
    }

    [Fact]
    public void Concurrent_senders_never_mix()
    {
        const int Frames = 150;
        using var link = Open();
        int[] lengths = [0, 100, 20_000, 70_000, 150_000];
        var senders = Enumerable.Range(0, 5).Select(sender => Patience.Start(() =>
        {
            for (var step = 0; step < Frames; step++)
            {
                var payload = Bytes.Filled(lengths[(step + sender) % lengths.Length], (byte)(sender * 50 + step % 50));
                if (sender == 4) link.Client.Post(Bytes.Header(step, sender), new CountingPayload(payload));
                else link.Client.Send(Bytes.Header(step, sender), payload);
            }
        })).ToArray();
        foreach (var sender in senders) sender.Await();

        var frames = link.ServerHandler.AwaitFrames(5 * Frames);
        foreach (var ofOne in frames.GroupBy(frame => frame.Header.Index))
            Assert.Equal(Enumerable.Range(0, Frames).Select(step => (long)step), ofOne.Select(frame => frame.Header.Step));
        foreach (var (header, payload) in frames)
        {
            Assert.Equal(lengths[(header.Step + header.Index) % lengths.Length], payload.Length);
            Assert.Equal(-1, payload.AsSpan().IndexOfAnyExcept((byte)(header.Index * 50 + header.Step % 50)));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_payload_of_tens_of_megabytes_arrives(bool post)
    {
        var payload = Bytes.Random(48_000_001, seed: 1);
        using var link = Open();
        if (post) link.Client.Post(Bytes.Header(), new CountingPayload(payload));
        else link.Client.Send(Bytes.Header(), payload);
        Assert.True(payload.AsSpan().SequenceEqual(link.ServerHandler.AwaitFrames(1)[0].Payload));
    }

    [Fact]
    public void The_length_in_the_header_is_the_channels_own_business()
    {
        using var link = Open();
        link.Client.Send(Bytes.Header() with { PayloadBytes = 99 }, [1, 2]);
        link.Client.Post(Bytes.Header() with { PayloadBytes = -1 }, new CountingPayload(3));
        Assert.Equal([2, 3], link.ServerHandler.AwaitFrames(2).Select(frame => frame.Header.PayloadBytes));
    }

    [Fact]
    public void A_refused_payload_is_skipped_and_the_stream_stays_in_step()
    {
        using var link = Open(server: new RecordingHandler { Refuses = header => header.Step % 2 == 1 });
        for (var step = 0; step < 20; step++) link.Client.Send(Bytes.Header(step), Bytes.Random(step * 10_000, step));
        var frames = link.ServerHandler.AwaitFrames(10);
        Assert.Equal([0, 2, 4, 6, 8, 10, 12, 14, 16, 18], frames.Select(frame => frame.Header.Step));
        Assert.All(frames, frame => Assert.True(frame.Payload.AsSpan().SequenceEqual(Bytes.Random((int)frame.Header.Step * 10_000, (int)frame.Header.Step))));
        link.Client.Send(Bytes.Header(20), []);
        link.ServerHandler.AwaitFrames(11);
        Assert.Equal(10, link.ServerHandler.Refusals);
        Assert.Equal(0, link.ServerHandler.Abandonments);
    }

    [Fact]
    public void A_handler_answers_within_its_calls()
    {
        var server = new RecordingHandler { OnComplete = (channel, header) => channel.Post(header with { Kind = FrameKind.Reply }, new CountingPayload(300_000, (byte)header.Step)) };
        using var link = Open(server: server);
        for (var step = 0; step < 50; step++) link.Client.Send(Bytes.Header(step), Bytes.Random(300_000, step));
        var answers = link.ClientHandler.AwaitFrames(50);
        for (var step = 0; step < 50; step++) Assert.Equal(-1, answers[step].Payload.AsSpan().IndexOfAnyExcept((byte)step));
    }

    [Fact]
    public void The_accepting_side_sends_before_its_handler_exists()
    {
        var client = new RecordingHandler();
        using var listener = Transport.Listen(
            FreshAddress(),
            channel =>
            {
                channel.Send(Bytes.Header(1), Bytes.Filled(100_000, 7));
                channel.Post(Bytes.Header(2), new CountingPayload(10));
                return new RecordingHandler();
            },
            new ChannelOptions());
        using var channel = Transport.Connect(listener.Address, client, new ChannelOptions());
        Assert.Equal(2, client.AwaitFrames(2).Length);
    }

    /// <summary>
    /// Lock-step, so that the pools are as full as they get. The best of several rounds counts: a collection may empty
    /// the shared pools at any time, but what Send itself allocates shows in every round.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(64 * 1024)]
    [InlineData(1 << 20)]
    public void A_warm_send_allocates_nothing(int length)
    {
        using var arrived = new SemaphoreSlim(0);
        var handler = new FixedHandler(new byte[length], arrived);
        using var listener = Transport.Listen(FreshAddress(), _ => handler, new ChannelOptions());
        using var channel = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        var payload = new CountingPayload(length);
        var best = long.MaxValue;
        for (var round = 0; round < 6; round++)
        {
            var allocated = 0L;
            for (var i = 0; i < 50; i++)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                if (i % 2 == 0) channel.Send(Bytes.Header(i), payload.Bytes);
                else channel.Post(Bytes.Header(i), payload);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(arrived.Wait(Patience.Limit));
            }

            best = Math.Min(best, allocated);
        }

        Assert.Equal(0, best);
    }

    private static FrameHeader HeaderOf(int i) => new()
    {
        Kind = (FrameKind)(2 + i % 11),
        Flags = (byte)i,
        Run = ulong.MaxValue - (ulong)i,
        Generation = -i,
        Step = i,
        Partition = i,
        Level = -i,
        Index = i * 3,
        Rows = i * 5,
        Sum = i % 2 == 0 ? double.NaN : i / 3.0,
        Count = long.MinValue + i,
    };

    /// <summary>Receives into one place and allocates nothing.</summary>
    private sealed class FixedHandler(byte[] place, SemaphoreSlim arrived) : IFrameHandler
    {
        public Span<byte> Reserve(IChannel channel, in FrameHeader header) => place;

        public void Complete(IChannel channel, in FrameHeader header) => arrived.Release();

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
        }
    }
}
