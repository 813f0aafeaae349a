using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

public sealed class InProcessLendingTests : LendingContract
{
    private static int _number;

    private protected override ITransport Transport { get; } = new InProcessTransport();

    private protected override string FreshAddress() => $"in-process://lending-{Interlocked.Increment(ref _number)}";

    [Fact]
    public unsafe void The_receiver_reads_the_senders_own_memory()
    {
        var server = new OfferHandler();
        using var pair = Open(server);
        var bytes = GC.AllocateArray<byte>(100, pinned: true);
        pair.Client.Post(Bytes.Header(), new CountingPayload(bytes));
        using var lease = server.AwaitLeases(1)[0].Lease;
        fixed (byte* own = bytes, seen = lease.Bytes) Assert.True(own == seen);
    }
}

public sealed class SharedMemoryLendingTests : LendingContract, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dtl").FullName;
    private int _number;

    private protected override ITransport Transport { get; } = new SharedMemoryTransport();

    private protected override string FreshAddress() => $"shared-memory://{_folder}/{Interlocked.Increment(ref _number)}.sock";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_channel_is_one_over_shared_memory()
    {
        Assert.Null(SharedMemory.Problem);
        using var pair = Open(new OfferHandler());
        Assert.IsType<SharedChannel>(pair.Client);
        Assert.IsType<SharedChannel>(pair.Server);
    }

    [Fact]
    public void What_lies_elsewhere_or_is_small_is_copied()
    {
        var server = new OfferHandler { Takes = (_, _) => throw new InvalidOperationException("offered") };
        using var pair = Open(server);
        using var small = new BufferPayload(Bytes.Random(4095, 1));
        var elsewhere = new CountingPayload(Bytes.Random(100_000, 2));
        pair.Client.Post(Bytes.Header(0), small);
        pair.Client.Post(Bytes.Header(1), elsewhere);
        var frames = server.Copies.AwaitFrames(2);
        Assert.True(small.Bytes.SequenceEqual(frames[0].Payload));
        Assert.True(elsewhere.Bytes.SequenceEqual(frames[1].Payload));
        Patience.Until(() => small.Releases == 1 && elsewhere.Releases == 1, "the releases");
    }

    [Fact]
    public void What_is_beyond_the_share_of_memory_is_private_and_copied()
    {
        using var private_ = new SharedBuffer(new SharedPool(limit: 1000, regionBytes: 1 << 20), 8192);
        Assert.Contains("used up", private_.PrivateBecause);
        Bytes.Random(8192, 3).CopyTo(private_.Bytes);
        var server = new OfferHandler { Takes = (_, _) => throw new InvalidOperationException("offered") };
        using var pair = Open(server);
        pair.Client.Post(Bytes.Header(), new ViewPayload(private_));
        Assert.Equal(Bytes.Random(8192, 3), server.Copies.AwaitFrames(1)[0].Payload);
    }

    [Fact]
    public void When_all_slots_are_lent_the_rest_is_copied_and_slots_that_come_back_are_used_again()
    {
        var server = new OfferHandler();
        using var pair = Open(server);
        using var payload = new BufferPayload(Bytes.Random(4096, 4));
        for (var i = 0; i < Segment.Slots + 10; i++) pair.Client.Post(Bytes.Header(i), payload);
        var leases = server.AwaitLeases(Segment.Slots);
        Assert.Equal(Enumerable.Range(Segment.Slots, 10).Select(i => (long)i), server.Copies.AwaitFrames(10).Select(frame => frame.Header.Step));
        Patience.Until(() => payload.Releases == 10, "the release of the copied");
        foreach (var (_, lease) in leases) lease.Dispose();
        Patience.Until(() => payload.Releases == Segment.Slots + 10, "the other releases");
        pair.Client.Post(Bytes.Header(1), payload);
        server.AwaitLeases(Segment.Slots + 1)[^1].Lease.Dispose();
    }

    [Fact]
    public void A_posted_payload_that_is_lent_follows_the_copied_ones_before_it()
    {
        var order = new List<long>();
        var server = new OfferHandler
        {
            Takes = (header, lease) =>
            {
                order.Add(header.Step);
                lease.Dispose();
                return true;
            },
        };
        using var pair = Open(server);
        using var lent = new BufferPayload(Bytes.Random(5000, 5));
        for (var i = 0; i < 300; i++) pair.Client.Post(Bytes.Header(i), i % 3 == 0 ? lent : new CountingPayload(i % 3 == 1 ? 200_000 : 10));
        Assert.Equal(Enumerable.Range(0, 300).Where(i => i % 3 != 0).Select(i => (long)i), server.Copies.AwaitFrames(200).Select(frame => frame.Header.Step));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => 3L * i), order);
    }

    [Fact]
    public void The_memory_of_a_channel_is_stated()
    {
        Assert.InRange(SharedMemoryTransport.MemoryOf(new ChannelOptions()), Segment.Bytes, 3 << 20);
        Assert.Throws<ArgumentException>(() => SharedMemoryTransport.MemoryOf(new ChannelOptions { MaximumPostedFrames = 0 }));
    }

    private sealed class ViewPayload(SharedBuffer buffer) : IPayload
    {
        public ReadOnlySpan<byte> Bytes => buffer.Bytes;

        public void Release()
        {
        }
    }
}
