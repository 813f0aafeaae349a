using System.Globalization;
using System.Text;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>A step whose numbers are not finite ends a run or is left out, in all partitions alike and whoever computes.</summary>
public sealed class NonFiniteTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // With batch norm, which takes the extreme row into the statistics of all leaves, and without.
    [Theory]
    [InlineData("linear: 64; batch-norm; relu; linear: 128; relu; linear: 1", 1, 3, 1, "never")]
    [InlineData("linear: 64; batch-norm; relu; linear: 128; relu; linear: 1", 3, 3, 2, "never", "int8")]
    [InlineData("linear: 64; batch-norm; relu; linear: 128; relu; linear: 1", 2, 3, 2, "never", "{ top-k: 0.02 }")]
    [InlineData("linear: 64; relu; linear: 128; relu; linear: 1", 4, 2, 2, "never", "{ top-k: 0.02 }")]
    [InlineData("linear: 64; batch-norm; relu; linear: 128; relu; linear: 1", 3, 3, 2, "never")]
    [InlineData("linear: 64; batch-norm; relu; linear: 128; relu; linear: 1", 3, 3, 2, "always")]
    [InlineData("linear: 64; relu; linear: 128; relu; linear: 1", 1, 1, 1, "never")]
    [InlineData("linear: 64; relu; linear: 128; relu; linear: 1", 4, 2, 2, "never")]
    [InlineData("linear: 64; relu; linear: 128; relu; linear: 1", 4, 2, 2, "always")]
    public void Skipped_steps_leave_the_bits_of_one_thread_whoever_computes(string layers, int workers, int partitions, int servers, string overlap, string compression = "none")
    {
        WriteRows(columns: 3, extreme: 1e30f);
        var plan = (Experiment("skip", layers.Split("; "), partitions, compression) with { Overlap = overlap, Transport = compression == "none" ? "auto" : "tcp" }).Plan(_folder.Path);
        using var cluster = new MiniCluster(plan, servers).With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);

        // Row 41 is in the third batch of each epoch of five.
        Assert.Equal(
            Enumerable.Range(0, partitions).SelectMany(static partition => (IEnumerable<(int, long)>)[(partition, 2L), (partition, 7L)]).Order(),
            cluster.Skipped.Order());
        var causes = cluster.Findings.Where(static found => found.Step == 2).Select(static found => found.Finding).OrderBy(static finding => finding.Found.Order).ToArray();
        Assert.Equal(41 % 4, causes[0].Shard);
    }

    [Theory]
    [InlineData("skip", "never")]
    [InlineData("stop", "never")]
    [InlineData("skip", "always")]
    [InlineData("stop", "always")]
    [InlineData("skip", "never", 2)]
    [InlineData("stop", "always", 3)]
    public void A_gradient_that_is_not_finite_in_one_partition_alone_is_so_for_all(string rule, string overlap, int threads = 1)
    {
        // The first of 5000 columns is extreme: its weight lies in the first partition, and the loss is finite.
        WriteRows(columns: 5000, extreme: 3e38f);
        var plan = (Experiment(rule, ["linear: 1"], partitions: 2) with { Loss = "mean-absolute-error", Overlap = overlap }).Plan(_folder.Path);
        Assert.Equal(2, plan.Ranges.Count);
        using var cluster = new MiniCluster(plan, servers: 2) { Threads = _ => threads }.With(2);
        if (rule == "stop")
        {
            Assert.Throws<AggregateException>(() => cluster.Run());
            Assert.Equal([(0, 2L), (1, 2L)], cluster.NotFinite.Order());
            Assert.Equal("the gradient of 0.weight is as large as 3E+38", Assert.Single(cluster.Findings).Finding.Found.Where);
        }
        else
        {
            Assert.All(cluster.Run().Parameters, static parameter => Assert.True(float.IsFinite(parameter)));
            Assert.Equal([(0, 2L), (0, 7L), (1, 2L), (1, 7L)], cluster.Skipped.Order());
        }
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 3, 2)]
    public void Steps_that_shards_take_by_themselves_are_left_out_together(int workers, int partitions, int servers)
    {
        WriteRows(columns: 3, extreme: 1e30f);
        var plan = (Experiment("skip", ["linear: 64", "relu", "linear: 128", "relu", "linear: 1"], partitions) with { Training = "{ epochs: 2, batch-size: 20, shards: 4, non-finite: skip, local-steps: 3 }" }).Plan(_folder.Path);
        using var cluster = new MiniCluster(plan, servers).With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Parameters, cluster.Run().Parameters);

        // Row 41 is in the third batch of each epoch of five: of the first three steps.
        long[] skipped = [0, 1, 2, 5, 6, 7];
        Assert.Equal(Enumerable.Range(0, partitions).SelectMany(partition => skipped.Select(step => (partition, step))).Order(), cluster.Skipped.Order());
        var found = cluster.Findings.Where(static found => found.Step == 0).Select(static found => found.Finding).MinBy(static finding => finding.Found.Order)!;
        Assert.Equal(41 % 4, found.Shard);
        Assert.EndsWith(" at step 3", found.Found.Where, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_shard_has_come_to_by_itself_is_judged_before_it_is_averaged()
    {
        // A step makes parameters infinite, with a loss and a gradient that are finite.
        WriteRows(columns: 3, extreme: 1e36f);
        var plan = (Experiment("stop", ["linear: 1"], partitions: 1) with
        {
            Loss = "mean-absolute-error",
            Optimizer = "{ kind: sgd, learning-rate: 10000 }",
            Training = "{ steps: 1, batch-size: 60, shards: 4, local-steps: 3 }",
        }).Plan(_folder.Path);
        using var cluster = new MiniCluster(plan).With(2);
        Assert.Throws<AggregateException>(() => cluster.Run());
        Assert.Equal([(0, 0L)], cluster.NotFinite);
        var found = cluster.Findings.Select(static found => found.Finding).MinBy(static finding => finding.Found.Order)!;
        Assert.Equal(1, found.Shard);
        Assert.Equal("the parameter 0.weight is infinite at step 1", found.Found.Where);
        Assert.False(found.Found.InParameters);
    }

    private static TestExperiment Experiment(string rule, string[] layers, int partitions, string compression = "none") => new()
    {
        Source = "rows.csv",
        Data = ", task: regression, shuffle: false",
        Preprocess = "[]",
        Layers = layers,
        Loss = "mean-squared-error",
        Optimizer = "{ kind: adam, learning-rate: 0.001 }",
        Training = $"{{ epochs: 2, batch-size: 20, shards: 4, non-finite: {rule}, compression: {compression} }}",
        Partitions = partitions,
    };

    // 100 rows of small numbers, and one extreme number in row 41.
    private void WriteRows(int columns, float extreme)
    {
        var text = new StringBuilder();
        text.AppendJoin(',', Enumerable.Range(0, columns).Select(static column => $"x{column}")).Append(",y\n");
        for (var row = 0; row < 100; row++)
        {
            text.AppendJoin(',', Enumerable.Range(0, columns).Select(column =>
                (row == 41 && column == 0 ? extreme : (((row * 7) + (column * 3)) % 11 / 10f) - 0.5f).ToString("R", CultureInfo.InvariantCulture)));
            text.Append(CultureInfo.InvariantCulture, $",{row % 5}\n");
        }

        _folder.Write("rows.csv", text.ToString());
    }
}
