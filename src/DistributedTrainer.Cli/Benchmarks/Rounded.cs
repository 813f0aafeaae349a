namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>Figures without digits that mean nothing.</summary>
internal static class Rounded
{
    public static double To(double value, int digits) => Math.Round(value, digits, MidpointRounding.AwayFromZero);
}
