using DistributedTrainer.Engine.Optimizers.Schedules;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>schedules.json, in float64: 1e-12 relative, 1e-15 absolute.</summary>
public sealed class ScheduleGoldenTests
{
    private const string File = "schedules";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Rates_agree(int index, string key)
    {
        var (initial, golden) = (GoldenFile.Whole(File).Number("base"), GoldenFile.Cases(File)[index]);
        var schedule = Build(golden);
        golden.AllRead();
        foreach (var (step, expected) in golden.Array("rates").Values.Index())
        {
            var rate = schedule.Rate(initial, step);
            Assert.True(Math.Abs(rate - expected) <= Math.Max(1e-15, 1e-12 * Math.Abs(expected)), $"{key}: the rate of step {step} is {rate:R}, the reference is {expected:R}.");
        }
    }

    private static Schedule Build(GoldenCase golden) => golden.Name switch
    {
        "constant" => new ConstantSchedule(),
        "step" => new StepSchedule((long)golden.Parameter("every"), golden.Parameter("factor")),
        "exponential" => new ExponentialSchedule(golden.Parameter("factor")),
        "inverse-time" => new InverseTimeSchedule(golden.Parameter("decay")),
        "cosine" => new CosineSchedule((long)golden.Parameter("steps"), golden.Parameter("minimum")),
        "warmup-cosine" => new WarmupCosineSchedule((long)golden.Parameter("warmup"), (long)golden.Parameter("steps"), golden.Parameter("minimum")),
        _ => throw golden.Unknown("the name"),
    };
}
