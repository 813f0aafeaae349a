namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>No golden case is passed over in silence.</summary>
public sealed class GoldenCoverageTests
{
    // File → whether the golden test of that file can build a case. A new golden test puts its own question here.
    private static readonly Dictionary<string, Func<GoldenCase, bool>> Known = new()
    {
        ["activations"] = ActivationGoldenTests.Knows,
        ["batch-norm"] = BatchNormGoldenTests.Knows,
        ["layers"] = LayerGoldenTests.Knows,
        ["least-squares"] = static _ => false,
        ["losses"] = LossGoldenTests.Knows,
        ["optimizers"] = OptimizerGoldenTests.Knows,
        ["runs"] = RunGoldenTests.Knows,
        ["schedules"] = static _ => false,
        ["sync-batch-norm"] = static _ => true,
    };

    public static TheoryData<string> Files => [.. Known.Keys];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_case_is_either_tested_or_listed_as_not_yet_built(string file)
    {
        var cases = GoldenFile.Cases(file);
        Assert.NotEmpty(cases);
        foreach (var golden in cases)
        {
            var (known, listed) = (Known[file](golden), NotYetBuilt.Keys.Contains(golden.Key));
            Assert.True(known || listed, $"{golden.Key} is neither in the table of its golden test nor listed in NotYetBuilt.");
            Assert.False(known && listed, $"{golden.Key} can be built now: strike it out in NotYetBuilt.");
        }
    }

    [Fact]
    public void Every_file_of_the_projects_own_copy_has_a_test()
    {
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "golden"), "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)!);
        Assert.Equal(Known.Keys.Order(StringComparer.Ordinal), files.Order(StringComparer.Ordinal));
    }
}
