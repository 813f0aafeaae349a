using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Compression;

/// <summary>Codecs against plain arithmetic, at every length; what is written is read again bit by bit, and cuts change nothing.</summary>
public sealed class GradientCodecTests
{
    public static TheoryData<string> Names => [.. Codecs.Keys];

    private static Dictionary<string, GradientCodec> Codecs { get; } = new()
    {
        ["float16"] = new Float16Codec(),
        ["bfloat16"] = new BFloat16Codec(),
        ["int8"] = new Int8Codec(),
        ["top-k"] = new TopKCodec(0.05),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void A_leaf_becomes_what_plain_arithmetic_says_at_every_length(string name)
    {
        foreach (var length in (int[])[.. Numbers.Lengths, 4095, 4096, 4097, 9000])
        {
            foreach (var deviation in (double[])[1, 1e-6, 1e-9, 1e-37, 1e5, 1e30])
            {
                var x = Numbers.Normal(length, length, deviation: deviation);
                var expected = Plain(name, x);
                Codecs[name].RoundLeaf(x);
                AssertBits.Equal(expected, x, $"{name}, length {length}, deviation {deviation}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_written_is_read_again_bit_by_bit(string name)
    {
        var codec = Codecs[name];
        foreach (var length in (int[])[.. Numbers.Lengths, 4096, 9001])
        {
            foreach (var deviation in (double[])[1, 1e-8, 1e-30, 1e6])
            {
                // A sum, as a node above the leaves has it.
                var (x, y) = (Numbers.Normal(length, length, deviation: deviation), Numbers.Normal(length, length + 1, deviation: deviation));
                codec.RoundLeaf(x);
                codec.RoundLeaf(y);
                ElementWise.AddTo(x, y);
                codec.RoundSum(x);
                var bytes = new byte[codec.MostBytes(length)];
                var written = codec.Write(x, bytes);
                Assert.True(codec.Fits(written, length));
                var read = Numbers.Normal(length, 3);
                Assert.True(codec.TryRead(bytes.AsSpan(0, written), read));
                AssertBits.Equal(x, read, $"{name}, length {length}, deviation {deviation}");

                // And rounding it once more changes nothing.
                codec.RoundSum(read);
                AssertBits.Equal(x, read, $"{name}, length {length}, rounded twice");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Ranges_give_the_bits_of_the_whole(string name)
    {
        var codec = Codecs[name];
        var whole = Numbers.Normal(20_000, 7);
        var parts = whole.ToArray();
        codec.RoundLeaf(whole);
        foreach (var (start, end) in ((int, int)[])[(0, 4096), (4096, 12_288), (12_288, 20_000)])
        {
            codec.RoundLeaf(parts.AsSpan(start, end - start));
        }

        AssertBits.Equal(whole, parts, name);
    }

    [Theory]
    [InlineData("float16", 40_000)]
    [InlineData("bfloat16", 40_000)]
    [InlineData("int8", 20_157)]
    [InlineData("top-k", 10 + (6 * ((4 * 205) + 181)))]
    public void A_leaf_takes_as_many_bytes_as_stated(string name, int expected)
    {
        var x = Numbers.Normal(20_000, 7);
        Codecs[name].RoundLeaf(x);
        Assert.Equal(expected, Codecs[name].Write(x, new byte[Codecs[name].MostBytes(x.Length)]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_not_finite_does_no_harm(string name)
    {
        foreach (var wrong in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue])
        {
            var x = Numbers.Normal(300, 1);
            x[17] = wrong;
            Codecs[name].RoundLeaf(x);
            Codecs[name].Write(x, new byte[Codecs[name].MostBytes(x.Length)]);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Damaged_bytes_are_refused_and_never_written_beyond_the_end(string name)
    {
        var codec = Codecs[name];
        var x = Numbers.Normal(5000, 1);
        codec.RoundLeaf(x);
        var bytes = new byte[codec.MostBytes(x.Length)];
        var written = codec.Write(x, bytes);
        Assert.False(codec.TryRead(bytes.AsSpan(0, written - 1), x));
        Assert.False(codec.TryRead([.. bytes.AsSpan(0, written), 0], x));

        // Whatever comes over a wire: an answer, and no exception.
        var random = new System.Random(5);
        for (var attempt = 0; attempt < 500; attempt++)
        {
            var damaged = bytes.AsSpan(0, written).ToArray();
            for (var change = 0; change < 5; change++)
            {
                damaged[random.Next(Math.Min(written, 400))] = (byte)random.Next(256);
            }

            codec.TryRead(damaged, x);
        }
    }

    [Fact]
    public void Of_equal_magnitudes_the_first_are_kept()
    {
        float[] x = [1, -2, 2, 1, -2, 2, 0, 2];
        var rest = new float[8];
        LargestElements.Split(x, rest, 3);
        Assert.Equal([0, -2, 2, 0, -2, 0, 0, 0], x);
        Assert.Equal([1, 0, 0, 1, 0, 2, 0, 2], rest);
    }

    [Fact]
    public void Error_feedback_loses_nothing()
    {
        // Integers, so that every sum is exact: what was sent and what is left are all there was.
        var codec = new TopKCodec(0.01);
        var (sent, all, residual) = (new double[5000], new double[5000], new float[5000]);
        for (var step = 0; step < 50; step++)
        {
            var gradient = Array.ConvertAll(Numbers.Normal(5000, step, deviation: 100), MathF.Round);
            for (var i = 0; i < gradient.Length; i++)
            {
                all[i] += gradient[i];
            }

            var after = new float[5000];
            codec.RoundLeaf(gradient, residual, after);
            residual = after;
            Assert.Equal(codec.Kept(5000), gradient.Count(static value => value != 0));
            for (var i = 0; i < gradient.Length; i++)
            {
                sent[i] += gradient[i];
            }
        }

        Assert.Equal(all, sent.Zip(residual, static (done, left) => done + left));
        Assert.Contains(residual, static left => left != 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void A_share_that_is_none_is_refused(double share) => Assert.Throws<ArgumentOutOfRangeException>(() => new TopKCodec(share));

    private static float[] Plain(string name, float[] x) => name switch
    {
        "float16" => Array.ConvertAll(x, static value => (float)(Half)Math.Clamp(value, -65504, 65504)),
        "bfloat16" => Array.ConvertAll(x, static value => NearestBFloat16(value)),
        "int8" => [.. x.Chunk(128).SelectMany(static block => PlainBytes(block))],
        _ => [.. x.Chunk(4096).SelectMany(static block => PlainLargest(block))],
    };

    // The neighbours on both sides, and the nearer of them; of two as near the one whose last bit is 0.
    private static float NearestBFloat16(float x)
    {
        var bits = BitConverter.SingleToUInt32Bits(x);
        var (low, high) = (BitConverter.UInt32BitsToSingle(bits & 0xFFFF0000), BitConverter.UInt32BitsToSingle((bits & 0xFFFF0000) + 0x10000));
        var (below, above) = (Math.Abs((double)x - low), Math.Abs((double)high - x));
        return below < above || (below == above && (bits & 0x10000) == 0) || !float.IsFinite(high) ? low : high;
    }

    private static IEnumerable<float> PlainBytes(float[] block)
    {
        var largest = block.Max(Math.Abs);
        if (largest < Math.ScaleB(1, -100))
        {
            return block.Select(static _ => 0f);
        }

        var scale = Math.ScaleB(1, Math.ILogB((double)largest) - 6);
        return block.Select(value => (float)(Math.Clamp(Math.Round(value / scale, MidpointRounding.ToEven), -127, 127) * scale) + 0f);
    }

    private static float[] PlainLargest(float[] block)
    {
        var count = Math.Max(1, (int)Math.Round(0.05 * block.Length, MidpointRounding.ToEven));
        var kept = Enumerable.Range(0, block.Length).OrderByDescending(i => Math.Abs(block[i])).ThenBy(static i => i).Take(count).ToHashSet();
        return [.. block.Select((value, i) => kept.Contains(i) ? value : 0)];
    }
}
