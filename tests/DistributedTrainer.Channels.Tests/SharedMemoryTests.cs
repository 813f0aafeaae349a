using CsCheck;
using DistributedTrainer.Channels.Shared;

namespace DistributedTrainer.Channels.Tests;

public class SharedMemoryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(3_000_000)]
    public unsafe void A_buffer_is_zero_aligned_and_of_its_length(int floats)
    {
        using var buffer = SharedMemory.Allocate(floats);
        Assert.Null(buffer.PrivateBecause);
        Assert.Equal(floats, buffer.Floats.Length);
        Assert.Equal(floats * 4, buffer.Length);
        Assert.Equal(-1, buffer.Floats.IndexOfAnyExcept(0f));
        fixed (byte* start = buffer.Bytes) Assert.Equal(0, (nint)start % 64);
    }

    [Fact]
    public void A_buffer_that_is_used_again_is_zero_again()
    {
        var pool = new SharedPool(long.MaxValue, 1 << 20);
        var first = new SharedBuffer(pool, 4000);
        first.Bytes.Fill(1);
        first.Dispose();
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => first.Bytes.Length);
        using var second = new SharedBuffer(pool, 4000);
        Assert.Equal(-1, second.Bytes.IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue / 4)]
    public void An_impossible_length_is_misuse(int floats) => Assert.Throws<ArgumentOutOfRangeException>(() => SharedMemory.Allocate(floats));

    [Fact]
    public void A_buffer_larger_than_a_region_gets_one_of_its_own()
    {
        using var buffer = new SharedBuffer(new SharedPool(long.MaxValue, 1 << 16), 3 << 20);
        Assert.Null(buffer.PrivateBecause);
        buffer.Bytes.Fill(7);
        Assert.Equal(-1, buffer.Bytes.IndexOfAnyExcept((byte)7));
    }

    [Fact]
    public void Beyond_the_limit_a_buffer_is_private_and_works_all_the_same()
    {
        var pool = new SharedPool(limit: 4 << 20, regionBytes: 64 << 20);
        using var shared = new SharedBuffer(pool, 3 << 20);
        using var beyond = new SharedBuffer(pool, 3 << 20);
        Assert.Null(shared.PrivateBecause);
        Assert.Contains("used up", beyond.PrivateBecause);
        Assert.Equal(-1, beyond.Bytes.IndexOfAnyExcept((byte)0));
        beyond.Bytes.Fill(1);
        Assert.Equal(-1, shared.Bytes.IndexOfAnyExcept((byte)0));
    }

    /// <summary>Random lengths, given back in random order: never overlapping, and all is one piece again in the end.</summary>
    [Fact]
    public void Extents_never_overlap_and_join_again() =>
        Gen.Select(Gen.Int[1, 3000], Gen.Int[0, 1000]).Array[1, 100].SampleSeeded(
            steps =>
            {
                var region = Region.Value;
                var taken = new List<(long Offset, long Length)>();
                foreach (var (lines, choice) in steps)
                {
                    if (choice % 3 == 0 && taken.Count > 0)
                    {
                        var (offset, length) = taken[choice % taken.Count];
                        taken.RemoveAt(choice % taken.Count);
                        region.Return(offset, length);
                    }
                    else if (region.Take(lines * 64L, long.MaxValue, out _) is >= 0 and var offset)
                    {
                        Assert.DoesNotContain(taken, other => offset < other.Offset + other.Length && other.Offset < offset + (lines * 64L));
                        Assert.True(offset + (lines * 64L) <= region.Committed);
                        taken.Add((offset, lines * 64L));
                    }
                }

                foreach (var (offset, length) in taken) region.Return(offset, length);
                Assert.Equal(0, region.Take(region.Length, long.MaxValue, out _));
                region.Return(0, region.Length);
            },
            seed: "0000KOIPZAL3", iter: 300);

    /// <summary>Two threads in lock-step, who sleep and wake each other: a wake that got lost would hold them up for ever.</summary>
    [Fact]
    public unsafe void No_bell_is_missed()
    {
        const int Rounds = 20_000;
        var words = (uint*)System.Runtime.InteropServices.NativeMemory.AllocZeroed(4, sizeof(uint));
        var (ping, pong) = (new Bell(words, words + 1), new Bell(words + 2, words + 3));
        var (asked, answered) = (0, 0);
        var other = Support.Patience.Start(() =>
        {
            for (var i = 1; i <= Rounds; i++)
            {
                Await(ping, ref asked, i);
                Volatile.Write(ref answered, i);
                pong.Ring();
            }
        });
        for (var i = 1; i <= Rounds; i++)
        {
            Volatile.Write(ref asked, i);
            ping.Ring();
            Await(pong, ref answered, i);
        }

        other.Await();
        System.Runtime.InteropServices.NativeMemory.Free(words);
    }

    private static readonly Lazy<SharedRegion> Region = new(() => SharedRegion.Create(8 << 20, out _)!);

    private static void Await(Bell bell, ref int value, int wanted)
    {
        while (true)
        {
            var ticket = bell.Ticket;
            if (Volatile.Read(ref value) == wanted) return;
            bell.Wait(ticket);
        }
    }
}
