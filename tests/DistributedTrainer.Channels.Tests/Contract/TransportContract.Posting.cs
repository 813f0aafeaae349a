using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

public abstract partial class TransportContract
{
    [Fact]
    public void A_posted_payload_is_released_once_after_it_was_delivered()
    {
        using var link = Open();
        var shared = new CountingPayload(1000);
        for (var i = 0; i < 100; i++) link.Client.Post(Bytes.Header(i), shared);
        link.ServerHandler.AwaitFrames(100);
        Patience.Until(() => shared.Releases == 100, "the last release");
        link.Client.Dispose();
        Assert.Equal(100, shared.Releases);
    }

    [Fact]
    public void A_refused_payload_is_released_once()
    {
        using var link = Open(server: new RecordingHandler { Refuses = _ => true });
        var payload = new CountingPayload(100_000);
        link.Client.Post(Bytes.Header(), payload);
        Patience.Until(() => payload.Releases > 0, "the release");
        link.Client.Dispose();
        link.ServerHandler.AwaitClosed();
        Assert.Equal(1, payload.Releases);
    }

    [Fact]
    public void A_post_on_a_closed_channel_is_dropped_and_released_without_an_exception()
    {
        using var link = Open();
        link.Client.Dispose();
        link.ServerHandler.AwaitClosed();
        var (near, far) = (new CountingPayload(10), new CountingPayload(10));
        link.Client.Post(Bytes.Header(), near);
        link.Server.Post(Bytes.Header(), far);
        Assert.Equal(1, near.Releases);
        Assert.Equal(1, far.Releases);
    }

    [Fact]
    public void A_full_queue_closes_the_channel_and_says_so()
    {
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        var payloads = new List<CountingPayload>();
        using (var link = Open(server: Stuck(stuck, goOn), clientOptions: new ChannelOptions { MaximumPostedFrames = 4 }))
        {
            link.Client.Send(Bytes.Header(), []);
            stuck.Await("the handler's call");
            while (link.Client.IsOpen && payloads.Count < 1000)
            {
                payloads.Add(new CountingPayload(4_000_000));
                link.Client.Post(Bytes.Header(1), payloads[^1]);
            }

            Assert.InRange(payloads.Count, 5, 999);
            Assert.Contains("overflow: 4 posted frames wait already", link.ClientHandler.AwaitClosed());
            goOn.Set();
        }

        foreach (var payload in payloads) Patience.Until(() => payload.Releases > 0, "the release of a payload");
        Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
    }

    [Fact]
    public void Senders_that_wait_do_not_make_a_post_overflow()
    {
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        using var link = Open(server: Stuck(stuck, goOn), clientOptions: new ChannelOptions { MaximumPostedFrames = 1 });
        link.Client.Send(Bytes.Header(), []);
        stuck.Await("the handler's call");
        var sender = Patience.Start(() =>
        {
            for (var i = 1; i <= 3000; i++) link.Client.Send(Bytes.Header(i), new byte[10_000]);
        });
        UntilBlocked([sender]);
        link.Client.Post(Bytes.Header(9999), new CountingPayload(1));
        goOn.Set();
        sender.Await();
        link.ServerHandler.AwaitFrames(3002);
        Assert.True(link.Client.IsOpen);
    }

    [Fact]
    public void A_hello_can_not_be_sent_by_hand()
    {
        using var link = Open();
        var payload = new CountingPayload(1);
        Assert.Throws<ArgumentException>(() => link.Client.Send(Bytes.Header(kind: FrameKind.Hello), []));
        Assert.Throws<ArgumentException>(() => link.Client.Post(Bytes.Header(kind: FrameKind.Hello), payload));
        Assert.Throws<ArgumentException>(() => link.Client.Send(Bytes.Header(kind: default), []));
        Assert.Throws<ArgumentException>(() => link.Client.Send(Bytes.Header(kind: (FrameKind)18), []));
        Assert.Equal(1, payload.Releases);
        Assert.True(link.Client.IsOpen);
    }

    [Fact]
    public void A_payload_above_the_maximum_is_misuse()
    {
        using var link = Open(clientOptions: new ChannelOptions { MaximumPayloadBytes = 100 });
        var payload = new CountingPayload(101);
        Assert.Throws<ArgumentException>(() => link.Client.Send(Bytes.Header(), new byte[101]));
        Assert.Contains("101 bytes, MaximumPayloadBytes is 100", Assert.Throws<ArgumentException>(() => link.Client.Post(Bytes.Header(), payload)).Message);
        Assert.Equal(1, payload.Releases);
        link.Client.Send(Bytes.Header(), new byte[100]);
        link.ServerHandler.AwaitFrames(1);
    }

    [Fact]
    public void A_payload_above_the_receivers_maximum_closes_the_channel()
    {
        using var link = Open(serverOptions: new ChannelOptions { MaximumPayloadBytes = 100 });
        link.Client.Post(Bytes.Header(), new CountingPayload(101));
        Assert.Contains("101 bytes, MaximumPayloadBytes is 100", link.ServerHandler.AwaitClosed());
        link.ClientHandler.AwaitClosed();
        Assert.Empty(link.ServerHandler.Frames);
    }

    [Fact]
    public void A_payload_that_fails_closes_the_channel_and_is_released_once()
    {
        var released = new CountingPayload(0);
        using var link = Open();
        link.Client.Post(Bytes.Header(), new FailingPayload(released));
        link.ClientHandler.AwaitClosed();
        link.ServerHandler.AwaitClosed();
        Patience.Until(() => released.Releases > 0, "the release");
        Assert.Equal(1, released.Releases);
    }

    /// <summary>Fails when it is read, not yet when it is posted.</summary>
    private sealed class FailingPayload(CountingPayload released) : IPayload
    {
        private int _reads;

        public ReadOnlySpan<byte> Bytes => _reads++ == 0 ? new byte[1000] : throw new InvalidOperationException("the bytes are gone");

        public void Release() => released.Release();
    }
}
