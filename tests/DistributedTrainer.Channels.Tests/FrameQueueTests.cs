using DistributedTrainer.Channels.Internal;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

public class FrameQueueTests
{
    [Fact]
    public void Frames_leave_in_the_order_in_which_they_came()
    {
        var queue = new FrameQueue(10);
        for (var i = 0; i < 10; i++) Assert.Equal(Admission.Added, queue.TryAdd(Bytes.Header(step: i), new CountingPayload(0)));
        for (var i = 0; i < 10; i++)
        {
            Assert.True(queue.TryTake(out var frame));
            Assert.Equal(i, frame.Header.Step);
        }
    }

    [Fact]
    public void A_full_queue_refuses_a_post_until_one_is_taken()
    {
        var queue = new FrameQueue(2);
        queue.TryAdd(Bytes.Header(), new CountingPayload(0));
        queue.TryAdd(Bytes.Header(), new CountingPayload(0));
        Assert.Equal(Admission.Full, queue.TryAdd(Bytes.Header(), new CountingPayload(0)));
        Assert.True(queue.TryTake(out _));
        Assert.Equal(Admission.Added, queue.TryAdd(Bytes.Header(), new CountingPayload(0)));
    }

    [Fact]
    public void Senders_that_fill_the_queue_leave_posts_their_room()
    {
        var queue = new FrameQueue(2);
        Assert.True(queue.AddWhenRoom(Bytes.Header(1), new CountingPayload(0)));
        Assert.True(queue.AddWhenRoom(Bytes.Header(2), new CountingPayload(0)));
        Assert.Equal(Admission.Added, queue.TryAdd(Bytes.Header(3), new CountingPayload(0)));
        Assert.Equal(Admission.Added, queue.TryAdd(Bytes.Header(4), new CountingPayload(0)));
        Assert.Equal(Admission.Full, queue.TryAdd(Bytes.Header(5), new CountingPayload(0)));
    }

    [Fact]
    public void Every_sender_that_waits_for_room_gets_it()
    {
        var queue = new FrameQueue(1);
        queue.TryAdd(Bytes.Header(), new CountingPayload(0));
        var senders = Enumerable.Range(0, 4).Select(_ => Patience.Start(() => Assert.True(queue.AddWhenRoom(Bytes.Header(), new CountingPayload(0))))).ToArray();
        foreach (var sender in senders) sender.UntilBlocked();
        for (var i = 0; i < 5; i++) Assert.True(queue.TryTake(out _));
        foreach (var sender in senders) sender.Await();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Closing_frees_senders_and_takers_that_wait(bool releases)
    {
        var full = new FrameQueue(1);
        full.TryAdd(Bytes.Header(), new CountingPayload(0));
        var empty = new FrameQueue(1);
        var added = true;
        var taken = true;
        var sender = Patience.Start(() => added = full.AddWhenRoom(Bytes.Header(), new CountingPayload(0)));
        var taker = Patience.Start(() => taken = empty.TryTake(out _));
        sender.UntilBlocked();
        taker.UntilBlocked();
        foreach (var queue in new[] { full, empty })
        {
            if (releases) queue.Close();
            else queue.Complete();
        }

        sender.Await();
        taker.Await();
        Assert.False(added);
        Assert.False(taken);
        Assert.Equal(!releases, full.TryTake(out _));
    }

    [Fact]
    public void A_closed_queue_has_released_every_frame_once_though_a_release_fails()
    {
        var queue = new FrameQueue(3);
        CountingPayload[] payloads = [new(1), new(1) { OnRelease = () => throw new InvalidOperationException("broken") }, new(1)];
        foreach (var payload in payloads) queue.TryAdd(Bytes.Header(), payload);
        queue.Close();
        Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
        Assert.Equal(Admission.Closed, queue.TryAdd(Bytes.Header(), payloads[0]));
        Assert.False(queue.AddWhenRoom(Bytes.Header(), payloads[0]));
        Assert.False(queue.TryTake(out _));
        Assert.Equal(1, payloads[0].Releases);
    }

    [Fact]
    public void Of_closing_and_taking_at_once_every_frame_goes_to_one()
    {
        for (var round = 0; round < 200; round++)
        {
            var queue = new FrameQueue(50);
            var payloads = Enumerable.Range(0, 50).Select(_ => new CountingPayload(0)).ToArray();
            foreach (var payload in payloads) queue.TryAdd(Bytes.Header(), payload);
            using var start = new Barrier(2);
            var taker = Patience.Start(() =>
            {
                start.SignalAndWait();
                while (queue.TryTake(out var frame)) frame.Payload.Release();
            });
            start.SignalAndWait();
            queue.Close();
            taker.Await();
            Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
        }
    }
}
