using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Workers;

public sealed class OverlapTests
{
    [Theory]
    [InlineData(OverlapKind.Always, 10, false, 4, 4, true)]
    [InlineData(OverlapKind.Never, 100_000_000, true, 1, 4, false)]
    [InlineData(OverlapKind.Auto, 249_999, true, 1, 4, false)]
    [InlineData(OverlapKind.Auto, 250_000, true, 4, 4, true)]
    [InlineData(OverlapKind.Auto, 1_000_000, false, 3, 4, true)]
    [InlineData(OverlapKind.Auto, 999_999, false, 3, 4, false)]
    [InlineData(OverlapKind.Auto, 1_000_000, false, 4, 4, false)]
    [InlineData(OverlapKind.Auto, 1_000_000, false, 0, 4, false)]
    public void Where_much_travels_far_or_a_core_is_free(OverlapKind kind, int parameters, bool isBetweenHosts, int threads, int cores, bool pays) =>
        Assert.Equal(pays, Overlap.Pays(kind, parameters, isBetweenHosts, threads, cores));
}
