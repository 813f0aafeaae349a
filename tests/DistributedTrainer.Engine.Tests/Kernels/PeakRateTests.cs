using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Tests.Kernels;

public sealed class PeakRateTests
{
    private delegate void Chains(long rounds, Span<float> chains);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Every_element_goes_through_its_own_chain_of_multiply_adds_at_every_width(int rounds)
    {
        Check(PeakRate.Run, PeakRate.Elements, rounds);
        Check(PeakRate.Run512, 16 * 16, rounds);
        Check(PeakRate.Run256, 12 * 8, rounds);
        Check(PeakRate.Run128, 12 * 4, rounds);
    }

    [Fact]
    public void Another_number_of_elements_is_refused() => Assert.Throws<ArgumentException>(() => PeakRate.Run(1, new float[PeakRate.Elements - 1]));

    [Fact]
    public void The_measured_rate_is_a_positive_number()
    {
        var rate = PeakRate.Measure();
        Assert.True(double.IsFinite(rate) && rate > 0);
    }

    private static void Check(Chains run, int elements, int rounds)
    {
        var chains = new float[elements];
        for (var i = 0; i < chains.Length; i++)
        {
            chains[i] = (i * 0.37f) - 20;
        }

        var expected = Array.ConvertAll(chains, start =>
        {
            for (var round = 0; round < rounds; round++)
            {
                start = MathF.FusedMultiplyAdd(start, 0.75f, 0.5f);
            }

            return BitConverter.SingleToInt32Bits(start);
        });
        run(rounds, chains);
        Assert.Equal(expected, Array.ConvertAll(chains, BitConverter.SingleToInt32Bits));
    }
}
