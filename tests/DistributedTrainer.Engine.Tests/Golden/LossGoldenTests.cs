using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tests.Losses;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>losses.json, whose losses and gradients are means over rows: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class LossGoldenTests
{
    private const string File = "losses";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Loss_and_gradient_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var loss = Build(golden.Name, golden);
        golden.AllRead();
        var (z, t) = (golden.Array("z"), golden.Array("t"));
        var (losses, dz) = LossRun.Run(loss, z.Floats, Labels(loss, t), t.Floats, z.Rows);
        AssertBits.Near(golden.Array("dz").Values, Array.ConvertAll(dz, value => value / z.Rows), 1e-5, 1e-6, $"dz of {key}");
        AssertBits.Near([golden.Number("loss")], [(float)(losses.Sum(static value => (double)value) / z.Rows)], 1e-5, 1e-6, $"loss of {key}");
    }

    /// <summary>A loss by its name, also for the runs.</summary>
    internal static Loss Build(string name, GoldenCase golden) => TrainingLoss.Create(
        name,
        name == "cross-entropy" ? (float)golden.Parameter("labelSmoothing", 0) : 0,
        name == "huber" ? (float)golden.Parameter("delta") : 1,
        LossTargets.Values);

    /// <summary>Class numbers, none where targets are values. The references write class 0 as −1 in the losses with t = ±1.</summary>
    internal static int[] Labels(Loss loss, GoldenArray t) => loss.Targets == LossTargets.Values
        ? []
        : loss is PerceptronLoss or HingeLoss or LogisticLoss
            ? Array.ConvertAll(t.Integers, static t => t switch { 1 => 1, -1 => 0, _ => throw new ArgumentException($"golden: the target is {t}, the test knows ±1.") })
            : t.Integers;
}
