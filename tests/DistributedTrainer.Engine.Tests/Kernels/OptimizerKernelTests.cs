using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Optimizer kernels against one weight at a time, bit for bit, three steps at every length.</summary>
public sealed class OptimizerKernelTests
{
    private const long Count = 13;
    private const float Decay = 0.01f;
    private const float Rate = 0.05f;

    [Fact]
    public void Sgd_gives_the_reference_bits_at_every_length() => Check("sgd", 0,
        static (w, g, _, _) => OptimizerKernel.Sgd(w, g, Count, Decay, Rate, w),
        static (float w, float g, ref float _, ref float _) => ReferenceOptimizers.Sgd(w, g, Count, Decay, Rate));

    [Fact]
    public void Momentum_gives_the_reference_bits_at_every_length() => Check("momentum", 1,
        static (w, g, s, _) => OptimizerKernel.Momentum(w, g, Count, Decay, Rate, 0.9f, s, w),
        static (float w, float g, ref float s, ref float _) => ReferenceOptimizers.Momentum(w, g, Count, Decay, Rate, 0.9f, ref s));

    [Fact]
    public void Adam_gives_the_reference_bits_at_every_length() => Check("adam", 2,
        static (w, g, s, t) => OptimizerKernel.Adam(w, g, Count, Decay, Rate, 1.7f, 0.9f, 0.999f, 1e-8f, s, t, w),
        static (float w, float g, ref float s, ref float t) => ReferenceOptimizers.Adam(w, g, Count, Decay, Rate, 1.7f, 0.9f, 0.999f, 1e-8f, ref s, ref t));

    [Fact]
    public void State_dies_before_it_is_denormal()
    {
        float[] weights = [.. Enumerable.Repeat(1f, 20)];
        float[] velocity = [.. Enumerable.Repeat(1.2e-38f, 20)];
        OptimizerKernel.Momentum(weights, new float[20], 1, 0, Rate, 0.9f, velocity, weights);
        Assert.All(velocity, static value => Assert.Equal(0f, value));
    }

    [Fact]
    public void State_of_another_length_is_refused()
    {
        var (w, g) = (new float[20], new float[20]);
        foreach (var call in new Action[]
        {
            () => OptimizerKernel.Momentum(w, g, 1, 0, Rate, 0.9f, [], w),
            () => OptimizerKernel.Momentum(w, g, 1, 0, Rate, 0.9f, new float[19], w),
            () => OptimizerKernel.Adam(w, g, 1, 0, Rate, 1, 0.9f, 0.99f, 1e-8f, new float[20], [], w),
            () => OptimizerKernel.Adam(w, g, 1, 0, Rate, 1, 0.9f, 0.99f, 1e-8f, new float[21], new float[20], w),
            () => OptimizerKernel.Sgd(w, new float[19], 1, 0, Rate, w),
            () => OptimizerKernel.Sgd(w, g, 1, 0, Rate, new float[21]),
        })
        {
            Assert.Throws<ArgumentException>(call);
        }
    }

    [Fact]
    public void A_gradient_of_no_rows_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(static () => OptimizerKernel.Sgd(new float[4], new float[4], 0, 0, Rate, new float[4]));

    private static void Check(string name, int states, Fast fast, Plain plain)
    {
        foreach (var length in Numbers.Lengths)
        {
            var expected = Numbers.Normal(length, 1);
            float[] actual = [.. expected];
            var (s0, t0) = (new float[length], new float[length]);
            var (s1, t1) = (new float[states > 0 ? length : 0], new float[states > 1 ? length : 0]);
            for (var step = 0; step < 3; step++)
            {
                var gradient = step == 1 ? Numbers.WithSpecial(length, 2) : Numbers.Normal(length, 3 + step);
                for (var i = 0; i < length; i++)
                {
                    expected[i] = plain(expected[i], gradient[i], ref s0[i], ref t0[i]);
                }

                fast(actual, gradient, s1, t1);
                AssertBits.Equal(expected, actual, $"{name} of {length}, step {step}");
                AssertBits.Equal(s0.AsSpan(0, s1.Length), s1, $"{name} of {length}, first state, step {step}");
                AssertBits.Equal(t0.AsSpan(0, t1.Length), t1, $"{name} of {length}, second state, step {step}");
            }
        }
    }

    private delegate void Fast(Span<float> weights, ReadOnlySpan<float> gradientSum, Span<float> first, Span<float> second);

    private delegate float Plain(float weight, float gradientSum, ref float first, ref float second);
}
