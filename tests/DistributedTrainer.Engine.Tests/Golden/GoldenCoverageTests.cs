namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>No golden file is passed over in silence; within a file each case is a row of its test, which refuses names and parameters that it does not know.</summary>
public sealed class GoldenCoverageTests
{
    private static readonly string[] Tested =
        ["activations", "batch-norm", "layers", "least-squares", "losses", "optimizers", "runs", "schedules", "sync-batch-norm"];

    [Fact]
    public void Every_file_has_a_test() =>
        Assert.Equal(Tested, Directory.GetFiles(GoldenFile.Folder, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Fact]
    public void A_parameter_that_no_test_reads_fails()
    {
        var golden = GoldenFile.Cases("optimizers").First(static golden => golden.Name == "momentum");
        golden.Parameter("learningRate");
        Assert.ThrowsAny<Exception>(golden.AllRead);
        golden.Parameter("momentum");
        golden.Parameter("weightDecay", 0);
        golden.AllRead();
    }

    [Fact]
    public void A_name_that_no_test_knows_fails() =>
        Assert.Contains("optimizers/", Assert.Throws<ArgumentException>(static () => OptimizerGoldenTests.Build("other", GoldenFile.Cases("optimizers")[0])).Message, StringComparison.Ordinal);
}
