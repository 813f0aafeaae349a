using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>Numbers to test with: the same on every run and every machine.</summary>
internal static class Numbers
{
    /// <summary>Every length up to 256, and some that are neither short nor round.</summary>
    public static IEnumerable<int> Lengths => Enumerable.Range(0, 257).Concat([511, 513, 1000, 1023, 4097]);

    /// <summary>Numbers that kernels get wrong first.</summary>
    public static readonly float[] Special =
    [
        0f, -0f, 1f, -1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, -float.Epsilon,
        1.17549435e-38f, -1.17549435e-38f, 1.1754942e-38f, float.MaxValue, float.MinValue, 0.5f, -0.5f, 1e-20f, 1e20f,
    ];

    /// <summary>Normal numbers.</summary>
    public static float[] Normal(int length, int seed, double mean = 0, double deviation = 1)
    {
        var stream = new RandomStream((ulong)seed, RandomPurpose.Augment);
        var numbers = new float[length];
        for (var i = 0; i < length; i++)
        {
            numbers[i] = (float)(mean + (deviation * stream.Normal(i)));
        }

        return numbers;
    }

    /// <summary>Normal numbers with the special ones strewn in.</summary>
    public static float[] WithSpecial(int length, int seed)
    {
        var numbers = Normal(length, seed);
        var stream = new RandomStream((ulong)seed, RandomPurpose.Shuffle);
        for (var i = 0; i < length; i++)
        {
            if (stream.Below(2L * i, 3) == 0)
            {
                numbers[i] = Special[stream.Below((2L * i) + 1, Special.Length)];
            }
        }

        return numbers;
    }

    /// <summary>Whole numbers from 0 to below the bound.</summary>
    public static int[] Below(int length, int bound, int seed)
    {
        var stream = new RandomStream((ulong)seed, RandomPurpose.Split);
        return [.. Enumerable.Range(0, length).Select(i => stream.Below(i, bound))];
    }

    /// <summary>How many float32 numbers lie between the two; 0 where they are equal, both NaN, or two zeros.</summary>
    public static long Ulps(float x, float y)
    {
        if (x.Equals(y) || x == y)
        {
            return 0;
        }

        return float.IsNaN(x) || float.IsNaN(y) ? long.MaxValue : Math.Abs(Order(x) - Order(y));

        static long Order(float value)
        {
            var bits = BitConverter.SingleToInt32Bits(value);
            return bits < 0 ? int.MinValue - (long)bits : bits;
        }
    }
}
