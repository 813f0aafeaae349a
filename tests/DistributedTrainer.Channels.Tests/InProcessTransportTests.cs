using DistributedTrainer.Channels.InProcess;
using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

public sealed class InProcessTransportTests : TransportContract
{
    private static int _number;

    private protected override ITransport Transport { get; } = new InProcessTransport();

    private protected override string[] ForeignAddresses => ["", "tcp://127.0.0.1:0", "unix:///tmp/x", "shared-memory:///tmp/x", "in-process:/x"];

    private protected override string FreshAddress() => $"in-process://test-{Interlocked.Increment(ref _number)}";

    [Fact]
    public void A_listener_without_a_name_gets_one()
    {
        using var first = Transport.Listen("in-process://", _ => new RecordingHandler(), new ChannelOptions());
        using var second = Transport.Listen("in-process://", _ => new RecordingHandler(), new ChannelOptions());
        Assert.NotEqual(first.Address, second.Address);
    }

    [Fact]
    public void A_name_that_nobody_has_is_refused_by_name() =>
        Assert.Contains("in-process://nobody", Assert.Throws<ChannelClosedException>(() => Transport.Connect("in-process://nobody", new RecordingHandler(), new ChannelOptions())).Message);

    [Fact]
    public void A_payload_that_fails_while_it_is_copied_is_abandoned()
    {
        using var link = Open();
        link.Client.Post(Bytes.Header(), new VanishingPayload());
        Assert.Contains("vanished", link.ServerHandler.AwaitClosed());
        Assert.Equal(1, link.ServerHandler.Abandonments);
        Assert.Empty(link.ServerHandler.Frames);
    }

    /// <summary>From a handler nothing waits: two that send to each other would wait for ever.</summary>
    [Fact]
    public void Two_handlers_that_send_large_payloads_to_each_other_go_on()
    {
        Action<IChannel, FrameHeader> bounce = (channel, header) =>
        {
            if (header.Step < 200) channel.Send(header with { Step = header.Step + 1 }, Bytes.Filled(200_000, (byte)header.Step));
        };
        using var link = Open(new RecordingHandler { OnComplete = bounce, Keeps = false }, new RecordingHandler { OnComplete = bounce, Keeps = false });
        link.Client.Send(Bytes.Header(), []);
        link.Server.Send(Bytes.Header(), []);
        link.ServerHandler.AwaitFrames(201);
        link.ClientHandler.AwaitFrames(201);
    }

    [Fact]
    public void What_was_lent_and_cancelled_can_not_be_taken_or_lent_again()
    {
        unsafe
        {
            byte one = 1;
            var payload = new BorrowedPayload();
            Assert.True(payload.TryLend(&one, 1));
            payload.Cancel();
            Assert.False(payload.Wait());
            Assert.False(payload.TryLend(&one, 1));
            Assert.False(payload.TryTake());
        }
    }

    [Fact]
    public void Cancelling_waits_for_a_copy_that_is_under_way()
    {
        unsafe
        {
            byte one = 1;
            var payload = new BorrowedPayload();
            payload.TryLend(&one, 1);
            Assert.True(payload.TryTake());
            payload.Cancel();
            var took = false;
            var sender = Patience.Start(() => took = payload.Wait());
            sender.UntilBlocked();
            payload.Release();
            sender.Await();
            Assert.True(took);
        }
    }

    /// <summary>Can be posted, and read for its length; fails at the copy.</summary>
    private sealed class VanishingPayload : IPayload
    {
        private int _reads;

        public ReadOnlySpan<byte> Bytes => _reads++ == 0 ? new byte[10] : throw new InvalidOperationException("vanished");

        public void Release()
        {
        }
    }
}
