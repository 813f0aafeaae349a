using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

public abstract partial class TransportContract
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Closed_is_called_once_on_each_side_with_the_reason(bool clientDisposes)
    {
        using var link = Open();
        var (near, far) = clientDisposes ? (link.ClientHandler, link.ServerHandler) : (link.ServerHandler, link.ClientHandler);
        var channel = clientDisposes ? link.Client : link.Server;
        channel.Dispose();
        channel.Dispose();
        Assert.Equal("closed by this side", near.AwaitClosed());
        Assert.Contains("the peer closed", far.AwaitClosed());
        Assert.False(link.Client.IsOpen);
        Assert.False(link.Server.IsOpen);
    }

    [Fact]
    public void What_was_sent_before_the_end_arrives()
    {
        using var link = Open();
        for (var step = 0; step < 20; step++) link.Client.Send(Bytes.Header(step), Bytes.Random(50_000, step));
        link.Client.Dispose();
        link.ServerHandler.AwaitClosed();
        Assert.Equal(20, link.ServerHandler.Frames.Length);
    }

    [Fact]
    public void Sending_on_a_closed_channel_says_why_it_is_closed()
    {
        using var link = Open();
        link.Client.Dispose();
        link.ServerHandler.AwaitClosed();
        Assert.Contains("closed by this side", Assert.Throws<ChannelClosedException>(() => link.Client.Send(Bytes.Header(), [1])).Message);
        Assert.Contains("peer closed", Assert.Throws<ChannelClosedException>(() => link.Server.Send(Bytes.Header(), new byte[100_000])).Message);
    }

    [Theory]
    [InlineData("Reserve")]
    [InlineData("Complete")]
    public void An_exception_of_a_handler_closes_the_channel_with_its_message(string call)
    {
        Action<IChannel, FrameHeader> fail = (_, header) =>
        {
            if (header.Step == 1) throw new InvalidOperationException("no such leaf");
        };
        var server = call == "Reserve" ? new RecordingHandler { OnReserve = fail } : new RecordingHandler { OnComplete = fail };
        using var link = Open(server: server);
        link.Client.Send(Bytes.Header(0), [1]);
        link.Client.Send(Bytes.Header(1), [2]);
        Assert.Equal($"handler: {call} of a Push frame failed: no such leaf", link.ServerHandler.AwaitClosed());
        link.ClientHandler.AwaitClosed();
        Assert.Equal(call == "Reserve" ? 1 : 2, link.ServerHandler.Frames.Length);
    }

    [Fact]
    public void A_place_of_another_length_closes_the_channel()
    {
        using var link = Open(server: new RecordingHandler { LengthFor = length => length + 1 });
        link.Client.Send(Bytes.Header(), [1, 2, 3]);
        Assert.Contains("4 bytes for a payload of 3", link.ServerHandler.AwaitClosed());
    }

    [Fact]
    public void An_exception_of_the_accept_callback_closes_the_channel_and_is_logged()
    {
        var rejected = new TaskCompletionSource<string>();
        using var listener = Transport.Listen(
            FreshAddress(), _ => throw new InvalidOperationException("not today"), new ChannelOptions { Rejected = reason => rejected.TrySetResult(reason) });
        var client = new RecordingHandler();
        using var channel = Transport.Connect(listener.Address, client, new ChannelOptions());
        client.AwaitClosed();
        Assert.Contains("not today", rejected.Task.Await("the rejection"));
        Assert.False(channel.IsOpen);
    }

    [Theory]
    [InlineData("Reserve")]
    [InlineData("Complete")]
    [InlineData("Closed")]
    public void A_handler_may_dispose_of_its_own_channel(string call)
    {
        var server = call switch
        {
            "Reserve" => new RecordingHandler { OnReserve = (channel, _) => channel.Dispose() },
            "Complete" => new RecordingHandler { OnComplete = (channel, _) => channel.Dispose() },
            _ => new RecordingHandler { OnClosed = channel => channel.Dispose() },
        };
        using var link = Open(server: server);
        link.Client.Send(Bytes.Header(), [1]);
        if (call == "Closed") link.Client.Dispose();
        link.ServerHandler.AwaitClosed();
        link.ClientHandler.AwaitClosed();
    }

    [Fact]
    public void The_accept_callback_may_dispose_of_the_channel()
    {
        var server = new RecordingHandler();
        using var listener = Transport.Listen(
            FreshAddress(),
            channel =>
            {
                channel.Dispose();
                return server;
            },
            new ChannelOptions());
        var client = new RecordingHandler();
        using var channel = Transport.Connect(listener.Address, client, new ChannelOptions());
        client.AwaitClosed();
        server.AwaitClosed();
        Assert.Equal(1, server.Closings);
    }

    [Fact]
    public void Handlers_that_dispose_of_each_others_channels_do_not_wait_for_each_other()
    {
        IChannel? first = null;
        IChannel? second = null;
        using var both = new Barrier(2);
        using var one = Open(server: new RecordingHandler { OnComplete = (_, _) => Meet(both, () => second!.Dispose()) });
        using var two = Open(server: new RecordingHandler { OnComplete = (_, _) => Meet(both, () => first!.Dispose()) });
        (first, second) = (one.Server, two.Server);
        one.Client.Send(Bytes.Header(), []);
        two.Client.Send(Bytes.Header(), []);
        one.ServerHandler.AwaitClosed();
        two.ServerHandler.AwaitClosed();
    }

    [Fact]
    public void Both_ends_may_be_disposed_of_at_once_while_all_threads_send()
    {
        for (var round = 0; round < 60; round++)
        {
            var payloads = Enumerable.Range(0, 40).Select(_ => new CountingPayload(5_000)).ToArray();
            using (var link = Open(clientOptions: new ChannelOptions { MaximumPostedFrames = 8 }))
            {
                using var start = new Barrier(6);
                var threads = new[]
                {
                    Patience.Start(() => Meet(start, () => SendUntilClosed(link.Client, 1000))),
                    Patience.Start(() => Meet(start, () => SendUntilClosed(link.Client, 100_000))),
                    Patience.Start(() => Meet(start, () => SendUntilClosed(link.Server, 100_000))),
                    Patience.Start(() => Meet(start, () => Array.ForEach(payloads, payload => link.Client.Post(Bytes.Header(), payload)))),
                    Patience.Start(() => Meet(start, () => link.Client.Dispose())),
                };
                start.SignalAndWait();
                link.Server.Dispose();
                foreach (var thread in threads) thread.Await();
            }

            foreach (var payload in payloads) Patience.Until(() => payload.Releases > 0, "the release of a payload");
            Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
        }
    }

    [Fact]
    public void Disposing_on_many_threads_at_once_closes_once()
    {
        for (var round = 0; round < 30; round++)
        {
            using var link = Open();
            using var start = new Barrier(4);
            var threads = Enumerable.Range(0, 4)
                .Select(i => Patience.Start(() => Meet(start, (i % 2 == 0 ? link.Client : link.Server).Dispose))).ToArray();
            foreach (var thread in threads) thread.Await();
        }
    }

    /// <summary>A peer that reads no more, whatever became of it: only this side's Dispose can end the wait.</summary>
    [Fact]
    public void A_send_to_a_peer_that_reads_no_more_ends_when_the_channel_is_disposed_of()
    {
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        using var link = Open(server: Stuck(stuck, goOn));
        link.Client.Send(Bytes.Header(), []);
        stuck.Await("the handler's call");
        var senders = Enumerable.Range(0, 2).Select(_ => Patience.Start(() => SendUntilClosed(link.Client, 32_000_000))).ToArray();
        UntilBlocked(senders);
        link.Client.Dispose();
        foreach (var sender in senders) sender.Await();
        goOn.Set();
    }

    [Fact]
    public void A_blocked_send_ends_when_the_peer_closes()
    {
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        using var link = Open(server: Stuck(stuck, goOn));
        link.Client.Send(Bytes.Header(), []);
        stuck.Await("the handler's call");
        var senders = Enumerable.Range(0, 2).Select(_ => Patience.Start(() => SendUntilClosed(link.Client, 32_000_000))).ToArray();
        UntilBlocked(senders);
        var closer = Patience.Start(() => link.Server.Dispose());
        foreach (var sender in senders) sender.Await();
        goOn.Set();
        closer.Await();
    }

    /// <summary>The frame of a sender that was cut off may still be queued when the next sender comes: their bytes must not be confused.</summary>
    [Fact]
    public void A_sender_that_comes_too_late_does_not_take_the_place_of_the_one_before()
    {
        using var stuck = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        using var link = Open(server: Stuck(stuck, goOn));
        link.Client.Send(Bytes.Header(), []);
        stuck.Await("the handler's call");
        var senders = new List<Worker>();
        for (byte i = 1; i <= 2; i++)
        {
            var value = i;
            senders.Add(Patience.Start(() => link.Client.Send(Bytes.Header(value), Bytes.Filled(32_000_000, value))));
            UntilBlocked(senders);
        }

        link.Client.Dispose();
        foreach (var sender in senders) Assert.IsType<ChannelClosedException>(sender.Outcome());
        goOn.Set();
        link.ServerHandler.AwaitClosed();
        Assert.Single(link.ServerHandler.Frames);
    }

    private static RecordingHandler Stuck(ManualResetEventSlim stuck, ManualResetEventSlim goOn) => new()
    {
        OnComplete = (_, header) =>
        {
            if (header.Step != 0) return;
            stuck.Set();
            goOn.Await("the test's permission");
        },
    };

    /// <summary>All senders are inside Send and can't go on.</summary>
    private void UntilBlocked(IReadOnlyCollection<Worker> senders) =>
        Patience.Until(() => senders.Count(sender => sender.IsWaiting) >= senders.Count - SendersHeldByTheSystem, "waiting of the senders");

    private protected static void SendUntilClosed(IChannel channel, int length)
    {
        var payload = new byte[length];
        try
        {
            for (var step = 1; ; step++) channel.Send(Bytes.Header(step), payload);
        }
        catch (ChannelClosedException)
        {
            // What was waited for.
        }
    }

    private static void Meet(Barrier barrier, Action then)
    {
        Assert.True(barrier.SignalAndWait(Patience.Limit));
        then();
    }
}
