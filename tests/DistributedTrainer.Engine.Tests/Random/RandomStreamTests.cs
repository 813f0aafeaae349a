using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Random;

/// <summary>Streams: by position, apart from each other, with the right distribution. Bounds are five standard errors wide, the seeds fixed.</summary>
public sealed class RandomStreamTests
{
    private const int Draws = 1 << 18;

    private static readonly RandomStream Stream = new(42, RandomPurpose.Dropout, step: 7, shard: 3, layer: 2);

    [Fact]
    public void Fill_gives_the_bits_of_each_position_at_every_length()
    {
        for (var length = 0; length <= 64; length++)
        {
            var bits = new uint[length];
            Stream.Fill(bits);
            Assert.Equal(Enumerable.Range(0, length).Select(static i => Stream.Bits(i)), bits);
        }
    }

    [Fact]
    public void Streams_of_other_names_have_nothing_in_common()
    {
        var streams = new[]
        {
            Stream,
            new RandomStream(43, RandomPurpose.Dropout, 7, 3, 2),
            new RandomStream(42UL | (1UL << 32), RandomPurpose.Dropout, 7, 3, 2),
            new RandomStream(42, RandomPurpose.Shuffle, 7, 3, 2),
            new RandomStream(42, RandomPurpose.Dropout, 8, 3, 2),
            new RandomStream(42, RandomPurpose.Dropout, 7 + (1L << 32), 3, 2),
            new RandomStream(42, RandomPurpose.Dropout, 7, 4, 2),
            new RandomStream(42, RandomPurpose.Dropout, 7, 3, 3),
            new RandomStream(42, RandomPurpose.Dropout, 3, 7, 2),
        };
        var blocks = streams.SelectMany(static stream => Enumerable.Range(0, 1000).Select(i => stream.Block(i))).ToHashSet();
        Assert.Equal(streams.Length * 1000, blocks.Count);

        // Uncorrelated: the mean product of two uniform deviates of variance 1/12 has a standard error of 1/12/√n.
        for (var other = 1; other < streams.Length; other++)
        {
            var mean = Enumerable.Range(0, Draws).Average(i => (Stream.Uniform(i) - 0.5) * (streams[other].Uniform(i) - 0.5));
            Assert.InRange(mean, -5 / 12.0 / Math.Sqrt(Draws), 5 / 12.0 / Math.Sqrt(Draws));
        }
    }

    [Fact]
    public void Positions_beyond_32_bits_are_their_own() =>
        Assert.Equal(3, new[] { Stream.Bits(1), Stream.Bits(1 + (1L << 32)), Stream.Bits(1 + (1L << 34)) }.Distinct().Count());

    [Fact]
    public void Uniform_is_from_0_to_below_1_with_the_right_moments()
    {
        var draws = Enumerable.Range(0, Draws).Select(static i => (double)Stream.Uniform(i)).ToArray();
        Assert.All(draws, static draw => Assert.InRange(draw, 0, 1 - (1.0 / (1 << 24))));
        Assert.Equal(0.5, draws.Average(), 5 / Math.Sqrt(12.0 * Draws));
        Assert.Equal(1 / 12.0, draws.Average(static draw => (draw - 0.5) * (draw - 0.5)), 5 * Math.Sqrt(1 / 180.0 / Draws));
        Assert.InRange(draws.Min(), 0, 1e-4);
        Assert.InRange(draws.Max(), 1 - 1e-4, 1);
    }

    [Fact]
    public void Normal_has_the_right_moments()
    {
        var draws = Enumerable.Range(0, Draws).Select(static i => Stream.Normal(i)).ToArray();
        Assert.Equal(0, draws.Average(), 5 / Math.Sqrt(Draws));
        Assert.Equal(1, draws.Average(static draw => draw * draw), 5 * Math.Sqrt(2.0 / Draws));
        Assert.Equal(0, draws.Average(static draw => draw * draw * draw), 5 * Math.Sqrt(15.0 / Draws));
        Assert.Equal(3, draws.Average(static draw => draw * draw * draw * draw), 5 * Math.Sqrt(96.0 / Draws));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(1000)]
    public void Below_hits_every_number_about_equally_often(int bound)
    {
        var counts = new int[bound];
        for (var i = 0; i < Draws; i++)
        {
            counts[Stream.Below(i, bound)]++;
        }

        var expected = (double)Draws / bound;
        Assert.All(counts, count => Assert.InRange(count, expected - (5.5 * Math.Sqrt(expected)), expected + (5.5 * Math.Sqrt(expected))));
    }

    [Fact]
    public void Below_copes_with_the_largest_bound() => Assert.InRange(Stream.Below(0, int.MaxValue), 0, int.MaxValue - 1);

    [Fact]
    public void Impossible_names_and_bounds_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => Stream.Below(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RandomStream(1, RandomPurpose.Dropout, layer: -1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RandomStream(1, RandomPurpose.Dropout, layer: 0x1000000));
    }
}
