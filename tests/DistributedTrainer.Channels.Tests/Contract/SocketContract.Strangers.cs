using System.Net.Sockets;
using DistributedTrainer.Channels.Sockets;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

public abstract partial class SocketContract
{
    /// <summary>
    /// Garbage, torn and damaged frames on the open port, from a fixed seed. Every connection must end as a rejection
    /// or as a closed channel, none may stay, and the listener goes on.
    /// </summary>
    [Fact]
    public void Strangers_at_the_open_port_do_no_harm()
    {
        const int Tries = 2000;
        var random = new Random(20260101);
        var rejections = 0;
        var closings = 0;
        var accepted = 0;
        var options = new ChannelOptions { MaximumPayloadBytes = 4096, HelloTimeout = TimeSpan.FromSeconds(30), Rejected = _ => Interlocked.Increment(ref rejections) };
        using var listener = (SocketListener)Transport.Listen(
            FreshAddress(),
            _ =>
            {
                Interlocked.Increment(ref accepted);
                return new RecordingHandler { Refuses = header => header.Step % 3 == 0, Keeps = false, OnClosed = _ => Interlocked.Increment(ref closings) };
            },
            options);
        for (var i = 0; i < Tries; i++)
        {
            // Half of them get past the hello: what they say then reaches a channel.
            using var socket = random.Next(2) == 0 ? Dial(listener.Address) : DialAndGreet(listener.Address);
            if (random.Next(4) == 0 && socket.AddressFamily != AddressFamily.Unix) socket.LingerState = new LingerOption(true, 0);
            try { SocketBytes.SendAll(socket, Strange(random)); }
            catch (SocketException) { /* Turned away before it had said everything. */ }
        }

        Patience.Until(() => Volatile.Read(ref rejections) + Volatile.Read(ref closings) == Tries, "the end of every connection");
        Assert.Equal(Volatile.Read(ref accepted), Volatile.Read(ref closings));
        Assert.InRange(accepted, Tries / 10, Tries);
        Assert.InRange(rejections, Tries / 10, Tries);
        Assert.Equal(0, listener.Pending);

        using var friend = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        friend.Send(Bytes.Header(1), [1]);
        Assert.True(friend.IsOpen);
    }

    [Fact]
    public void Whoever_only_looks_whether_somebody_listens_is_not_told_of()
    {
        var rejections = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using var listener = (SocketListener)Transport.Listen(FreshAddress(), _ => new RecordingHandler(), new ChannelOptions { Rejected = rejections.Enqueue });
        for (var i = 0; i < 20; i++) Dial(listener.Address).Dispose();
        using (var half = Dial(listener.Address)) SocketBytes.SendAll(half, HelloBytes(0)[..1]);
        Patience.Until(() => !rejections.IsEmpty, "the rejection of who said something");
        Patience.Until(() => listener.Pending == 0, "the end of all");
        Assert.EndsWith(": hello: the peer closed the connection", Assert.Single(rejections), StringComparison.Ordinal);
    }

    [Fact]
    public void Too_many_silent_peers_are_turned_away_until_some_have_gone()
    {
        var rejections = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using var listener = (SocketListener)Transport.Listen(
            FreshAddress(), _ => new RecordingHandler(), new ChannelOptions { Rejected = rejections.Enqueue, HelloTimeout = TimeSpan.FromMinutes(5) });
        var silent = Enumerable.Range(0, SocketListener.MaximumPending).Select(_ => Dial(listener.Address)).ToList();
        Patience.Until(() => listener.Pending == SocketListener.MaximumPending, "the greeting of all");
        using var extra = Dial(listener.Address);
        Patience.Until(() => !rejections.IsEmpty, "the rejection");
        Assert.Contains("256 connections wait for their hello already", rejections.Single());
        foreach (var socket in silent) socket.Dispose();
        Patience.Until(() => listener.Pending == 0, "the end of all");
        using var friend = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        Assert.True(friend.IsOpen);
    }

    [Fact]
    public void Connections_beyond_the_limit_are_turned_away_until_some_have_gone()
    {
        var rejections = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using var listener = (SocketListener)Transport.Listen(
            FreshAddress(), _ => new RecordingHandler(), new ChannelOptions { Rejected = rejections.Enqueue, MaximumConnections = 3 });
        var friends = Enumerable.Range(0, 3).Select(_ => Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions())).ToList();
        Assert.Equal(3, listener.Open);
        Assert.Throws<ChannelClosedException>(() => Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions()));
        Patience.Until(() => !rejections.IsEmpty, "the rejection");
        Assert.Contains("3 connections are open already", rejections.Single());
        friends[1].Dispose();
        Patience.Until(() => listener.Open == 2, "the end of one");
        friends[1] = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        Assert.All(friends, static friend => Assert.True(friend.IsOpen));
        foreach (var friend in friends) friend.Dispose();
        Patience.Until(() => listener.Open == 0, "the end of all");
    }

    [Fact]
    public void Silent_peers_are_cut_off_when_the_listener_is_disposed_of()
    {
        var rejected = new TaskCompletionSource<string>();
        var listener = (SocketListener)Transport.Listen(
            FreshAddress(), _ => new RecordingHandler(), new ChannelOptions { Rejected = reason => rejected.TrySetResult(reason), HelloTimeout = TimeSpan.FromMinutes(5) });
        using var silent = Dial(listener.Address);
        Patience.Until(() => listener.Pending == 1, "the greeting");
        listener.Dispose();
        rejected.Task.Await("the rejection");
        Assert.Equal(0, silent.Receive(new byte[1]));
    }

    [Fact]
    public void A_connection_that_the_system_can_not_finish_is_given_up()
    {
        using var mute = RawListener(backlog: 1, out var address);
        var failures = Enumerable.Range(0, 5)
            .Select(_ => Assert.Throws<ChannelClosedException>(() => Transport.Connect(address, new RecordingHandler(), new ChannelOptions { HelloTimeout = Soon })).Message)
            .ToArray();
        Assert.All(failures, failure => Assert.Contains(address, failure));
        // The queue of the listener is full by now: the last one did not even get as far as the hello.
        Assert.Contains("no answer within 0.15 s", failures[^1]);
    }

    private static byte[] Strange(Random random)
    {
        byte[] frames = [.. FrameBytes(Bytes.Header(random.Next(5)), 200), .. Bytes.Random(200, random.Next()), .. FrameBytes(Bytes.Header(1), 0)];
        byte[] good = random.Next(2) == 0 ? frames : [.. HelloBytes(0), .. frames];
        switch (random.Next(6))
        {
            case 0:
                return Bytes.Random(1 + random.Next(300), random.Next());
            case 1:
                return good[..(1 + random.Next(good.Length - 1))];
            case 2:
                return With(good, random.Next(good.Length), (byte)random.Next(256));
            case 3:
                return [.. good, .. Bytes.Random(random.Next(500), random.Next())];
            case 4:
                return [.. good, .. FrameBytes(Bytes.Header(2), random.Next(-10, 10_000)), .. Bytes.Random(random.Next(5000), random.Next())];
            default:
                return good;
        }
    }
}
