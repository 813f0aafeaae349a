using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Schedules;

public class ScheduleGoldenTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("schedules");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rates_are_those_of_the_reference(int index, string name)
    {
        var initial = GoldenFile.Root("schedules").GetProperty("base").GetDouble();
        var golden = GoldenFile.Cases("schedules")[index];
        var parameters = new GoldenParameters(golden.GetProperty("parameters"));
        Schedule schedule = name switch
        {
            "constant" => new ConstantSchedule(),
            "step" => new StepSchedule((long)parameters.Get("every"), parameters.Get("factor")),
            "exponential" => new ExponentialSchedule(parameters.Get("factor")),
            "inverse-time" => new InverseTimeSchedule(parameters.Get("decay")),
            "cosine" => new CosineSchedule((long)parameters.Get("steps"), parameters.Get("minimum")),
            "warmup-cosine" => new WarmupCosineSchedule((long)parameters.Get("warmup"), (long)parameters.Get("steps"), parameters.Get("minimum")),
            _ => throw new ArgumentException($"schedules.json: the case {name} is unknown to the test."),
        };
        parameters.AllRead();

        foreach (var (step, expected) in golden.GetProperty("rates").Doubles().Index())
        {
            GoldenFile.Near(expected, schedule.Rate(initial, step), $"rate of step {step}", relative: 1e-12, absolute: 1e-15);
        }
    }
}
