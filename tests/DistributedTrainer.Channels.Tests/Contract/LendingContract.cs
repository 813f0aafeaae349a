using System.Collections.Concurrent;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests.Contract;

/// <summary>What the transports promise that lend payloads instead of copying them.</summary>
public abstract class LendingContract
{
    private const int Length = 50_000;

    private protected abstract ITransport Transport { get; }

    private protected abstract string FreshAddress();

    [Fact]
    public void A_posted_payload_is_read_in_place_and_released_when_it_is_given_back()
    {
        var server = new OfferHandler();
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 1));
        pair.Client.Post(Bytes.Header(7), payload);
        var (header, lease) = server.AwaitLeases(1)[0];
        Assert.Equal(Bytes.Header(7) with { PayloadBytes = Length }, header);
        Assert.True(lease.Bytes.SequenceEqual(payload.Bytes));

        // Only a test may do this: it shows that both see the same memory.
        payload.Writable[Length - 1] ^= 0xFF;
        Assert.Equal(payload.Bytes[Length - 1], lease.Bytes[Length - 1]);

        // Later frames go by.
        pair.Client.Send(Bytes.Header(8), [1]);
        server.Copies.AwaitFrames(1);
        Assert.Equal(0, payload.Releases);
        lease.Dispose();
        Patience.Until(() => payload.Releases > 0, "the release");
        lease.Dispose();
        Assert.Equal(1, payload.Releases);
        Assert.Throws<ObjectDisposedException>(() => lease.Bytes.Length);
    }

    [Fact]
    public void What_the_handler_declines_is_copied_and_released_once()
    {
        var server = new OfferHandler { Takes = (_, _) => false };
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 2));
        for (var i = 0; i < 20; i++) pair.Client.Post(Bytes.Header(i), payload);
        var frames = server.Copies.AwaitFrames(20);
        Assert.All(frames, frame => Assert.True(payload.Bytes.SequenceEqual(frame.Payload)));
        Patience.Until(() => payload.Releases == 20, "the releases");
    }

    [Fact]
    public void What_is_sent_or_empty_is_not_offered()
    {
        var server = new OfferHandler { Takes = (_, _) => throw new InvalidOperationException("offered") };
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 3));
        pair.Client.Send(Bytes.Header(1), payload.Bytes);
        pair.Client.Send(Bytes.Header(2), payload.Bytes[..100]);
        pair.Client.Post(Bytes.Header(3), new CountingPayload(0));
        Assert.Equal([1, 2, 3], server.Copies.AwaitFrames(3).Select(frame => frame.Header.Step));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_lease_outlives_the_channel_and_the_sender_waits_for_it(bool senderCloses)
    {
        var server = new OfferHandler();
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 4));
        pair.Client.Post(Bytes.Header(), payload);
        var lease = server.AwaitLeases(1)[0].Lease;
        (senderCloses ? pair.Client : pair.Server).Dispose();
        (senderCloses ? pair.Server : pair.Client).Dispose();
        server.Copies.AwaitClosed();
        pair.ClientHandler.AwaitClosed();
        Assert.Equal(0, payload.Releases);
        Assert.True(lease.Bytes.SequenceEqual(payload.Bytes));
        lease.Dispose();
        Patience.Until(() => payload.Releases > 0, "the release");
        Assert.Equal(1, payload.Releases);
    }

    [Fact]
    public void An_offer_that_fails_closes_the_channel_and_the_payload_is_released_once()
    {
        var server = new OfferHandler { Takes = (_, _) => throw new InvalidOperationException("no such leaf") };
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 5));
        pair.Client.Post(Bytes.Header(), payload);
        Assert.Equal("handler: Offer of a Push frame failed: no such leaf", server.Copies.AwaitClosed());
        pair.ClientHandler.AwaitClosed();
        Patience.Until(() => payload.Releases > 0, "the release");
        Assert.Equal(1, payload.Releases);
    }

    [Fact]
    public void Disposing_of_what_is_declined_is_misuse()
    {
        var server = new OfferHandler
        {
            Takes = (_, lease) =>
            {
                lease.Dispose();
                return false;
            },
        };
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(Length, 6));
        pair.Client.Post(Bytes.Header(), payload);
        Assert.Contains("disposed of the lease, but returned false", server.Copies.AwaitClosed());
        Patience.Until(() => payload.Releases > 0, "the release");
        Assert.Equal(1, payload.Releases);
    }

    /// <summary>Both directions at once, several senders, given back in any order by other threads; each content belongs to its header.</summary>
    [Fact]
    public void Payloads_lent_by_many_threads_come_back_once_each()
    {
        const int Senders = 3;
        const int Frames = 120;
        var wrong = new ConcurrentQueue<string>();
        using var returns = new BlockingCollection<(FrameHeader Header, IPayloadLease Lease)>();
        var kept = 0;
        OfferHandler Handler() => new()
        {
            Takes = (header, lease) =>
            {
                if (header.Step % 5 == 0) return false;
                returns.Add((header, lease));
                if (Interlocked.Increment(ref kept) == Senders * 2 * Frames * 4 / 5) returns.CompleteAdding();
                return true;
            },
        };
        var (clientHandler, serverHandler) = (Handler(), Handler());
        using var pair = Open(serverHandler, clientHandler);
        var returners = Enumerable.Range(0, 2).Select(seed => Patience.Start(() =>
        {
            var random = new Random(seed);
            var held = new List<(FrameHeader Header, IPayloadLease Lease)>();
            void Return()
            {
                var at = random.Next(held.Count);
                var (header, lease) = held[at];
                if (!lease.Bytes.SequenceEqual(Content(header.Index, (int)header.Step))) wrong.Enqueue($"content of {header}");
                lease.Dispose();
                held.RemoveAt(at);
            }

            foreach (var one in returns.GetConsumingEnumerable())
            {
                held.Add(one);
                while (held.Count > random.Next(20)) Return();
            }

            while (held.Count > 0) Return();
        })).ToArray();
        var payloads = new ConcurrentBag<BufferPayload>();
        var senders = Enumerable.Range(0, Senders * 2).Select(sender => Patience.Start(() =>
        {
            var channel = sender < Senders ? pair.Client : pair.Server;
            for (var step = 0; step < Frames; step++)
            {
                var payload = new BufferPayload(Content(sender, step));
                payloads.Add(payload);
                channel.Post(Bytes.Header(step, sender), payload);
            }
        })).ToArray();
        foreach (var thread in senders.Concat(returners)) thread.Await();
        Assert.Empty(wrong);
        foreach (var handler in new[] { clientHandler, serverHandler })
        {
            foreach (var frame in handler.Copies.AwaitFrames(Senders * Frames / 5))
                Assert.True(frame.Payload.AsSpan().SequenceEqual(Content(frame.Header.Index, (int)frame.Header.Step)));
        }

        Patience.Until(() => payloads.All(payload => payload.Releases > 0), "all releases");
        Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
        foreach (var payload in payloads) payload.Dispose();
    }

    [Fact]
    public void Channels_that_close_at_any_moment_of_lending_lose_and_repeat_no_release()
    {
        for (var round = 0; round < 60; round++)
        {
            var held = new ConcurrentQueue<(FrameHeader Header, IPayloadLease Lease)>();
            OfferHandler Handler() => new()
            {
                Takes = (header, lease) =>
                {
                    if (header.Step % 3 == 0) return false;
                    held.Enqueue((header, lease));
                    return true;
                },
            };
            var (clientHandler, serverHandler) = (Handler(), Handler());
            var payloads = Enumerable.Range(0, 40).Select(i => new BufferPayload(Content(i, round))).ToArray();
            using (var pair = Open(serverHandler, clientHandler))
            {
                using var start = new Barrier(5);
                var stop = 0;
                void Meet(Action then)
                {
                    Assert.True(start.SignalAndWait(Patience.Limit));
                    then();
                }

                void Check(FrameHeader header, IPayloadLease lease)
                {
                    Assert.True(lease.Bytes.SequenceEqual(Content(header.Index, round)));
                    lease.Dispose();
                }

                var threads = new[]
                {
                    Patience.Start(() => Meet(() => { for (var i = 0; i < 20; i++) pair.Client.Post(Bytes.Header(i, i), payloads[i]); })),
                    Patience.Start(() => Meet(() => { for (var i = 20; i < 40; i++) pair.Server.Post(Bytes.Header(i, i), payloads[i]); })),
                    Patience.Start(() => Meet(() =>
                    {
                        while (Volatile.Read(ref stop) == 0)
                        {
                            if (held.TryDequeue(out var one)) Check(one.Header, one.Lease);
                        }
                    })),
                    Patience.Start(() => Meet(() =>
                    {
                        Thread.SpinWait(round * 200);
                        pair.Client.Dispose();
                    })),
                };
                Meet(() => Thread.SpinWait(round % 7 * 1000));
                pair.Server.Dispose();
                clientHandler.Copies.AwaitClosed();
                serverHandler.Copies.AwaitClosed();
                Volatile.Write(ref stop, 1);
                foreach (var thread in threads) thread.Await();
                while (held.TryDequeue(out var one)) Check(one.Header, one.Lease);
            }

            Patience.Until(() => payloads.All(payload => payload.Releases > 0), "all releases");
            Assert.All(payloads, payload => Assert.Equal(1, payload.Releases));
            foreach (var payload in payloads) payload.Dispose();
        }
    }

    [Fact]
    public void Warm_lending_allocates_nothing_at_either_end()
    {
        using var arrived = new SemaphoreSlim(0);
        var handler = new GivesBackAtOnce(arrived);
        using var released = new SemaphoreSlim(0);
        using var listener = Transport.Listen(FreshAddress(), _ => handler, new ChannelOptions());
        using var channel = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        using var payload = new BufferPayload(Bytes.Random(Length, 8)) { OnRelease = () => released.Release() };
        var (best, bestOfReader) = (long.MaxValue, long.MaxValue);
        for (var round = 0; round < 6; round++)
        {
            var allocated = 0L;
            var ofReader = handler.AllocatedByReader;
            for (var i = 0; i < 50; i++)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                channel.Post(Bytes.Header(i), payload);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(arrived.Wait(Patience.Limit));
                Assert.True(released.Wait(Patience.Limit));
            }

            best = Math.Min(best, allocated);
            bestOfReader = Math.Min(bestOfReader, handler.AllocatedByReader - ofReader);
        }

        Assert.Equal(0, best);
        Assert.Equal(0, bestOfReader);
    }

    private static byte[] Content(int sender, int step) => Bytes.Random(4096 + (sender * 1000) + (step * 37), (sender * 1000) + step);

    private protected Pair Open(OfferHandler server, OfferHandler? client = null)
    {
        var accepted = new TaskCompletionSource<IChannel>(TaskCreationOptions.RunContinuationsAsynchronously);
        var listener = Transport.Listen(
            FreshAddress(),
            channel =>
            {
                accepted.SetResult(channel);
                return server;
            },
            new ChannelOptions());
        client ??= new OfferHandler();
        var connected = Transport.Connect(listener.Address, client, new ChannelOptions());
        return new Pair(listener, connected, accepted.Task.Await("accept"), client.Copies);
    }

    private protected sealed record Pair(IChannelListener Listener, IChannel Client, IChannel Server, RecordingHandler ClientHandler) : IDisposable
    {
        public void Dispose()
        {
            Client.Dispose();
            Server.Dispose();
            Listener.Dispose();
            ClientHandler.AwaitClosed();
            ClientHandler.AssertRulesKept();
        }
    }

    private sealed class GivesBackAtOnce(SemaphoreSlim arrived) : IFrameHandler
    {
        private long _allocated;

        public long AllocatedByReader => Volatile.Read(ref _allocated);

        public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease)
        {
            lease.Dispose();
            Volatile.Write(ref _allocated, GC.GetAllocatedBytesForCurrentThread());
            arrived.Release();
            return true;
        }

        public Span<byte> Reserve(IChannel channel, in FrameHeader header) => throw new InvalidOperationException("copied");

        public void Complete(IChannel channel, in FrameHeader header) => throw new InvalidOperationException("copied");

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
        }
    }
}
