using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>losses.json, whose losses and gradients are means over rows: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class LossGoldenTests
{
    private const string File = "losses";

    // Name → the loss, or null while a parameter of the case is not known.
    private static readonly Dictionary<string, Func<GoldenCase, Loss?>> Table = new()
    {
        ["cross-entropy"] = static golden => golden.HasParameter("labelSmoothing") ? null : new CrossEntropyLoss(),
        ["mean-squared-error"] = static _ => new MeanSquaredErrorLoss(),
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) => Build(golden.Name, golden) is not null;

    /// <summary>A loss by its name, for the runs.</summary>
    internal static Loss? Build(string name, GoldenCase golden) => Table.GetValueOrDefault(name)?.Invoke(golden);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Loss_and_gradient_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var loss = Build(golden.Name, golden)!;
        var (z, t) = (golden.Array("z"), golden.Array("t"));
        var (dz, losses) = (new float[z.Values.Length], new float[z.Rows]);
        loss.Compute(z.Floats, loss.IsClassification ? t.Integers : [], loss.IsClassification ? [] : t.Floats, dz, losses);
        var expectedSum = Array.ConvertAll(golden.Array("dz").Values, mean => mean * z.Rows);
        AssertBits.Near(expectedSum, dz, 1e-5, 1e-6 * z.Rows, $"dz of {key}");
        AssertBits.Near([golden.Number("loss")], [(float)(losses.Sum(static value => (double)value) / z.Rows)], 1e-5, 1e-6, $"loss of {key}");
    }
}
