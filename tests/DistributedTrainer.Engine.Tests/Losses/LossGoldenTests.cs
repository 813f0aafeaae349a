using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Losses;

public class LossGoldenTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("losses");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Mean_loss_and_gradient_are_those_of_the_reference(int index, string name)
    {
        var golden = GoldenFile.Cases("losses")[index];
        var parameters = new GoldenParameters(golden.GetProperty("parameters"));
        var loss = TrainingLoss.Create(
            name,
            name == "cross-entropy" ? (float)parameters.Get("labelSmoothing", 0) : 0,
            name == "huber" ? (float)parameters.Get("delta") : 1,
            LossTargets.Values);
        parameters.AllRead();

        var z = golden.GetProperty("z");
        var t = golden.GetProperty("t").Floats();
        var rows = z.Shape()[0];
        int[] labels = loss.Targets == LossTargets.Classes ? [.. t.Select(value => Label(loss, value))] : [];
        var (losses, dz) = LossRun.Run(loss, z.Floats(), labels, t, rows);

        GoldenFile.Near(golden.GetProperty("loss").GetDouble(), losses.Sum(static value => (double)value) / rows, "loss");
        GoldenFile.Near(golden.GetProperty("dz").Doubles(), [.. dz.Select(value => value / rows)], "dz");
    }

    // The references write class 0 as −1 in the losses with t = ±1.
    private static int Label(Loss loss, float t) => loss is PerceptronLoss or HingeLoss or LogisticLoss
        ? t switch { 1 => 1, -1 => 0, _ => throw new ArgumentException($"losses.json: {loss.Name} has a target {t}, the test knows ±1.") }
        : t == (int)t ? (int)t : throw new ArgumentException($"losses.json: {loss.Name} has a target {t}, which is no class.");
}
