using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

public abstract partial class TransportContract
{
    [Fact]
    public void Another_run_token_is_refused_with_the_reason_on_both_sides()
    {
        var rejected = new TaskCompletionSource<string>();
        using var listener = Transport.Listen(
            FreshAddress(), _ => throw new InvalidOperationException("must not be accepted"),
            new ChannelOptions { RunToken = 1, Rejected = reason => rejected.TrySetResult(reason) });
        var refusal = Assert.Throws<ChannelClosedException>(() => Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions { RunToken = 2 }));
        Assert.Contains("another run token", refusal.Message);
        Assert.Contains(listener.Address, refusal.Message);
        Assert.Contains("another run token", rejected.Task.Await("the rejection"));
    }

    [Fact]
    public void The_same_run_token_is_accepted()
    {
        var options = new ChannelOptions { RunToken = ulong.MaxValue };
        using var link = Open(clientOptions: options, serverOptions: options);
        link.Server.Send(Bytes.Header(), [1]);
        link.ClientHandler.AwaitFrames(1);
    }

    [Fact]
    public void A_listener_serves_many_channels_at_once()
    {
        var servers = new System.Collections.Concurrent.ConcurrentBag<RecordingHandler>();
        using var listener = Transport.Listen(
            FreshAddress(),
            _ =>
            {
                var handler = new RecordingHandler();
                servers.Add(handler);
                return handler;
            },
            new ChannelOptions());
        var channels = Enumerable.Range(0, 20).Select(_ => Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions())).ToArray();
        for (var i = 0; i < channels.Length; i++) channels[i].Send(Bytes.Header(i), [(byte)i]);
        Patience.Until(() => servers.Count == 20 && servers.All(server => server.Frames.Length == 1), "the arrival of all frames");
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (long)i), servers.Select(server => server.Frames[0].Header.Step).Order());
        foreach (var channel in channels) channel.Dispose();
        foreach (var server in servers) server.AwaitClosed();
    }

    [Fact]
    public void Peers_are_named()
    {
        using var link = Open();
        Assert.Equal(link.Listener.Address, link.Client.Peer);
        Assert.NotEmpty(link.Server.Peer);
    }

    [Fact]
    public void Channels_outlive_their_listener_and_nobody_is_accepted_any_more()
    {
        using var link = Open();
        link.Listener.Dispose();
        link.Listener.Dispose();
        link.Client.Send(Bytes.Header(), [1]);
        link.ServerHandler.AwaitFrames(1);
        Assert.Contains(link.Listener.Address, Assert.Throws<ChannelClosedException>(() => Transport.Connect(link.Listener.Address, new RecordingHandler(), new ChannelOptions())).Message);
    }

    [Fact]
    public void An_address_can_be_used_again_after_its_listener()
    {
        using var first = Open();
        var address = first.Listener.Address;
        first.Listener.Dispose();
        using var second = Link.Open(Transport, address);
        second.Client.Send(Bytes.Header(), [1]);
        second.ServerHandler.AwaitFrames(1);
    }

    [Fact]
    public void An_address_that_is_taken_is_refused_and_the_first_listener_goes_on()
    {
        var server = new RecordingHandler();
        using var listener = Transport.Listen(FreshAddress(), _ => server, new ChannelOptions());
        var refusal = Assert.Throws<IOException>(() => Transport.Listen(listener.Address, _ => new RecordingHandler(), new ChannelOptions()));
        Assert.Contains(listener.Address[(listener.Address.IndexOf("//", StringComparison.Ordinal) + 2)..], refusal.Message);
        using var channel = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        channel.Send(Bytes.Header(), [1]);
        server.AwaitFrames(1);
    }

    [Fact]
    public void A_listener_disposed_of_while_peers_connect_leaves_nobody_hanging()
    {
        for (var round = 0; round < 60; round++)
        {
            var servers = new System.Collections.Concurrent.ConcurrentBag<RecordingHandler>();
            var listener = Transport.Listen(
                FreshAddress(),
                _ =>
                {
                    var handler = new RecordingHandler();
                    servers.Add(handler);
                    return handler;
                },
                new ChannelOptions());
            using var start = new Barrier(3);
            var peers = Enumerable.Range(0, 2).Select(_ => Patience.Start(() =>
            {
                var handler = new RecordingHandler();
                Assert.True(start.SignalAndWait(Patience.Limit));
                try
                {
                    using var channel = Transport.Connect(listener.Address, handler, new ChannelOptions());
                }
                catch (ChannelClosedException)
                {
                    // Too late.
                    return;
                }

                handler.AwaitClosed();
                handler.AssertRulesKept();
            })).ToArray();
            Assert.True(start.SignalAndWait(Patience.Limit));
            listener.Dispose();
            foreach (var peer in peers) peer.Await();
            foreach (var server in servers) server.AwaitClosed();
        }
    }

    [Fact]
    public void An_address_of_another_transport_is_misuse()
    {
        foreach (var address in ForeignAddresses)
        {
            Assert.Throws<ArgumentException>(() => Transport.Listen(address, _ => new RecordingHandler(), new ChannelOptions()));
            Assert.Contains($"'{address}'", Assert.Throws<ArgumentException>(() => Transport.Connect(address, new RecordingHandler(), new ChannelOptions())).Message);
        }
    }

    [Fact]
    public void Impossible_options_are_misuse()
    {
        var options = new ChannelOptions { MaximumPostedFrames = 0 };
        Assert.Throws<ArgumentException>(() => Transport.Listen(FreshAddress(), _ => new RecordingHandler(), options));
        Assert.Throws<ArgumentException>(() => Transport.Connect(FreshAddress(), new RecordingHandler(), options));
    }
}
