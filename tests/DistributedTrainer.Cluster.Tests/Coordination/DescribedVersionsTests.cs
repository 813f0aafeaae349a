using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>How descriptions of versions and norms of gradients come together.</summary>
public sealed class DescribedVersionsTests
{
    // Described at 0, 10, 20 and 30. 9,219 parameters: of three partitions the first has three tensors and the last as many, all have a part of the second weight.
    private static readonly TrainingPlan Plan = new TestExperiment
    {
        Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 6, batch-size: 30, shards: 4 }",
        Partitions = 3,
    }.Plan();

    private static readonly int[] Tensors = [.. Plan.Ranges.Select(static range => range.Pieces.Count)];

    private readonly List<WeightLine> _lines = [];
    private readonly DescribedVersions _versions;

    public DescribedVersionsTests() => _versions = new DescribedVersions(_lines.Add);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whichever_comes_first_both_are_written_together(int before)
    {
        Assert.Equal(Plan.Model.Layout.Slots.Count + 2, Tensors.Sum());
        for (var partition = 2; partition >= 0; partition--)
        {
            if (2 - partition == before)
            {
                Describe(10);
            }

            Assert.Empty(_lines);
            Assert.True(Measure(10, partition));
        }

        if (before == 3)
        {
            Describe(10);
        }

        var line = Assert.Single(_lines);
        Assert.Equal(10, line.Step);

        // Of each part 9 over 30 rows: the second weight has three.
        Assert.Equal([0.1, 0.1, Math.Sqrt(27) / 30, 0.1, 0.1, 0.1], line.Tensors.Select(static tensor => tensor.GradientNorm!.Value), static (one, other) => Math.Abs(one - other) < 1e-15);
    }

    [Fact]
    public void A_version_whose_gradient_does_not_come_is_written_without_it_when_the_next_one_comes_or_the_run_ends()
    {
        Describe(0);
        Measure(0, 0);
        Measure(0, 1);
        Assert.Empty(_lines);
        Describe(10);
        Assert.Equal(0, Assert.Single(_lines).Step);
        Measure(0, 2);
        Assert.Single(_lines);
        _versions.Flush();
        _versions.Flush();
        Assert.Equal([0, 10], _lines.Select(static line => line.Step));
        Assert.All(_lines, static line => Assert.All(line.Tensors, static tensor => Assert.Null(tensor.GradientNorm)));
    }

    [Fact]
    public void No_gradient_is_awaited_at_the_end()
    {
        Describe(30);
        Assert.Equal(30, Assert.Single(_lines).Step);
        Assert.False(Measure(30, 0));
    }

    [Fact]
    public void A_version_that_comes_again_after_a_recovery_is_written_once()
    {
        for (var time = 0; time < 2; time++)
        {
            foreach (var version in new[] { 0, 10 })
            {
                Describe(version);
                Array.ForEach([0, 1, 2], partition => Measure(version, partition));
            }
        }

        // Training goes back while the gradient of this one is under way.
        Describe(20);
        Measure(20, 0);
        Describe(10);
        Describe(20);
        Array.ForEach([0, 1, 2], partition => Measure(20, partition));
        Assert.Equal([0, 10, 20], _lines.Select(static line => line.Step));
        Assert.All(_lines, static line => Assert.NotNull(line.Tensors[0].GradientNorm));
    }

    [Fact]
    public void What_does_not_fit_the_run_is_refused()
    {
        Assert.False(Measure(5, 0));
        Assert.False(Measure(10, 3));
        Assert.False(Measure(10, -1));
        Assert.False(_versions.Measured(Plan, new Partitions.Measured(new RunId("run"), new PartitionId(0), new StepId(10), 30, new double[Tensors[0] + 1])));
    }

    [Fact]
    public void Where_an_earlier_sitting_ended_its_last_version_gets_its_gradient()
    {
        var versions = new DescribedVersions(_lines.Add, written: 10, WeightLine.Of(20, Summaries(), null));
        versions.Described(Plan, 10, Summaries());
        versions.Described(Plan, 20, Summaries());
        Assert.Empty(_lines);
        for (var partition = 0; partition < 3; partition++)
        {
            Assert.True(versions.Measured(Plan, Measured(20, partition)));
        }

        Assert.NotNull(Assert.Single(_lines).Tensors[0].GradientNorm);
    }

    private void Describe(long version) => _versions.Described(Plan, version, Summaries());

    private bool Measure(long step, int partition) => _versions.Measured(Plan, Measured(step, partition));

    private static Partitions.Measured Measured(long step, int partition) =>
        new(new RunId("run"), new PartitionId(partition), new StepId(step), 30, [.. Enumerable.Repeat(9.0, partition is >= 0 and < 3 ? Tensors[partition] : 1)]);

    private static ParameterSummary[] Summaries() => [.. Plan.Model.Layout.Slots.Select(static slot => new ParameterSummary(slot.Name, slot.Shape.Elements, -1, 1, 0, 2, [3, 5]))];
}
