using DistributedTrainer.Cli.Benchmarks;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class GrowthModelTests
{
    private static readonly string[] Lines =
    [
        GrowthPoint.Header,
        "parameters,10000,1,10000,1,1,0.5,0.1,0.3,0.1",
        "parameters,1010000,1,1010000,1,9,0.5,0.2,2.3,1.1",
        "leaves,1,1,1000000,1,5,2,1,1,1",
        "leaves,5,1,1000000,5,9,6,1,1,1",
        "partitions,1,2,1000,2,1,1,0,0,0",
        "partitions,6,2,1000,2,2,1,0,0,0",
        "workers,1,1,1000000,1,5,4,1,1,1",
        "workers,2,2,1000000,2,6,5,1,1,1",
    ];

    [Fact]
    public void Costs_are_the_slopes_of_what_was_measured()
    {
        var model = GrowthModel.Of(GrowthPoint.Read(Lines));
        Assert.Equal(4, model.LeafMilliseconds);
        Assert.Equal((1, 2, 1), (model.SumNanoseconds, Math.Round(model.UpdateNanoseconds, 9), Math.Round(model.CopyNanoseconds, 9)));
        Assert.Equal((0.5, 0.05), (Math.Round(model.FixedMilliseconds, 9), model.MessageMilliseconds));
    }

    [Fact]
    public void A_step_is_the_sum_of_its_parts_and_a_server_shares_its_link_among_the_workers()
    {
        var model = new GrowthModel(LeafMilliseconds: 10, SumNanoseconds: 1, UpdateNanoseconds: 4, CopyNanoseconds: 2, FixedMilliseconds: 0.5, MessageMilliseconds: 0.1);

        // One worker: 8 bytes a parameter over a link of 1.25 million bytes a millisecond.
        Assert.Equal(10 + 0.5 + 6.4 + 4 + 2, model.Step(workers: 1, servers: 1, parameters: 1e6), 9);
        Assert.Equal(10 + 0.5 + 0.6 + (4 * 6.4) + (3 + 4) + 2, model.Step(workers: 4, servers: 1, parameters: 1e6), 9);

        // With as many servers as workers the worker's own link is the narrowest.
        Assert.Equal(6.4, GrowthModel.Network(workers: 4, servers: 4, parameters: 1e6), 9);
        Assert.Equal(6.4, GrowthModel.Network(workers: 4, servers: 8, parameters: 1e6), 9);
    }

    [Theory]
    [InlineData("series,value", "line 1")]
    [InlineData(GrowthPoint.Header + "\nworkers,1,2", "line 2: 'workers,1,2'")]
    [InlineData(GrowthPoint.Header + "\nworkers,1,1,1,1,1,1,1,1,x", "line 2")]
    public void What_is_no_measurement_is_named(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<FormatException>(() => GrowthPoint.Read(text.Split('\n'))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_series_that_is_missing_is_named() =>
        Assert.Contains("parameters has 0 points", Assert.Throws<FormatException>(() => GrowthModel.Of(GrowthPoint.Read([GrowthPoint.Header]))).Message, StringComparison.Ordinal);
}
