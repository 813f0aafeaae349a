using System.Collections.Concurrent;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>A thread that waits hands frames over by itself (<see cref="IChannel.TryAttend"/>), over shared memory.</summary>
public sealed class AttendingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dta").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Frames_are_handed_over_by_the_thread_that_attends_and_then_by_the_reader_again()
    {
        var threads = new ConcurrentQueue<int>();
        var client = new RecordingHandler { OnComplete = (_, _) => threads.Enqueue(Environment.CurrentManagedThreadId) };
        using var link = Open(client);
        Attend(link.Client);
        link.Server.Send(Bytes.Header(1), [1]);
        link.Server.Send(Bytes.Header(2), [2]);

        // Both lie in the ring, and nobody was told.
        Assert.Empty(client.Frames);
        link.Client.Poll();
        Assert.Equal([1L, 2L], client.Frames.Select(frame => frame.Header.Step));
        link.Client.Poll();
        link.Client.Unattend();
        link.Server.Send(Bytes.Header(3), [3]);
        Assert.Equal([1L, 2L, 3L], client.AwaitFrames(3).Select(frame => frame.Header.Step));
        Patience.Until(() => threads.Count == 3, "the third");
        var mine = Environment.CurrentManagedThreadId;
        Assert.Equal([true, true, false], threads.Select(thread => thread == mine));
    }

    [Fact]
    public void What_came_after_the_last_poll_is_handed_over_by_the_reader()
    {
        using var link = Open();
        Attend(link.Client);
        link.Client.Poll();
        link.Server.Send(Bytes.Header(1), [1]);
        link.Client.Unattend();
        link.ClientHandler.AwaitFrames(1);
    }

    [Fact]
    public void A_frame_longer_than_the_ring_comes_whole()
    {
        using var link = Open();
        var payload = Bytes.Random(5 << 20, 7);
        Attend(link.Client);
        var sender = Patience.Start(() => link.Server.Send(Bytes.Header(1), payload));
        Patience.Until(
            () =>
            {
                link.Client.Poll();
                return link.ClientHandler.Frames.Length == 1;
            },
            "the frame");
        link.Client.Unattend();
        sender.Await();
        Assert.Equal(payload, link.ClientHandler.Frames[0].Payload);
    }

    [Fact]
    public void The_end_of_the_peer_is_told_after_it()
    {
        using var link = Open();
        Attend(link.Client);
        link.Server.Send(Bytes.Header(1), [1]);
        link.Server.Dispose();
        Patience.Until(() => !link.Client.IsOpen, "the end");
        link.Client.Poll();
        Assert.Single(link.ClientHandler.Frames);
        Assert.Equal(0, link.ClientHandler.Closings);
        link.Client.Unattend();
        link.ClientHandler.AwaitClosed();
        Assert.False(link.Client.TryAttend());
    }

    [Fact]
    public void A_handler_that_fails_closes_the_channel()
    {
        var client = new RecordingHandler { OnComplete = (_, _) => throw new InvalidOperationException("no such leaf") };
        using var link = Open(client);
        Attend(link.Client);
        link.Server.Send(Bytes.Header(1), [1]);
        link.Client.Poll();
        link.Client.Poll();
        link.Client.Unattend();
        Assert.Equal("handler: Complete of a Push frame failed: no such leaf", client.AwaitClosed());
    }

    [Fact]
    public void A_channel_that_is_closed_here_meanwhile_ends()
    {
        using var link = Open();
        Attend(link.Client);
        var closer = Patience.Start(link.Client.Dispose);
        Patience.Until(() => !link.Client.IsOpen, "the end");
        link.Client.Poll();
        link.Client.Unattend();
        closer.Await();
        link.ClientHandler.AwaitClosed();
    }

    /// <summary>A question and its answer in turns; who asks attends for a moment, and sleeps if the answer takes longer: a wake that got lost would hold both up for ever.</summary>
    [Fact]
    public void No_frame_is_missed_at_the_borders()
    {
        const int Rounds = 20_000;
        var server = new RecordingHandler { Keeps = false, OnComplete = (channel, header) => channel.Post(header, new CountingPayload(4)) };
        var answered = new ManualResetEventSlim();
        long last = -1;
        var client = new RecordingHandler
        {
            Keeps = false,
            OnComplete = (_, header) =>
            {
                Volatile.Write(ref last, header.Step);
                answered.Set();
            },
        };
        using var link = Open(client, server);
        var random = new Random(3);
        for (var step = 0; step < Rounds; step++)
        {
            answered.Reset();
            link.Client.Send(Bytes.Header(step), [1]);
            if (link.Client.TryAttend())
            {
                for (var looks = random.Next(40); looks > 0 && !answered.IsSet; looks--)
                {
                    link.Client.Poll();
                    Thread.Yield();
                }

                link.Client.Unattend();
            }

            answered.Await($"the answer to {step}");
            Assert.Equal(step, Volatile.Read(ref last));
        }
    }

    [Fact]
    public void Other_channels_have_a_reader_only()
    {
        using var link = Link.Open(new InProcessTransport(), "in-process://attending");
        Assert.False(link.Client.TryAttend());
    }

    private static void Attend(IChannel channel) => Patience.Until(channel.TryAttend, "attending");

    private Link Open(RecordingHandler? client = null, RecordingHandler? server = null) =>
        Link.Open(new SharedMemoryTransport(), $"shared-memory://{_folder}/a.sock", client, server);
}
