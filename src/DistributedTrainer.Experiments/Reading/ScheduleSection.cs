using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>optimizer.schedule</c>: a name, or <c>{ kind: name, … }</c>.</summary>
internal static class ScheduleSection
{
    private const string BelowOne = "a number above 0 and below 1";

    private static readonly KindKeys<ScheduleKind> Owners = new(
        ("every", [ScheduleKind.Step]),
        ("factor", [ScheduleKind.Step, ScheduleKind.Exponential, ScheduleKind.ReduceOnPlateau]),
        ("decay", [ScheduleKind.InverseTime]),
        ("warmup", [ScheduleKind.WarmupCosine]),
        ("steps", [ScheduleKind.Cosine, ScheduleKind.WarmupCosine, ScheduleKind.RangeTest]),
        ("from", [ScheduleKind.RangeTest]),
        ("to", [ScheduleKind.RangeTest]),
        ("patience", [ScheduleKind.ReduceOnPlateau]),
        ("threshold", [ScheduleKind.ReduceOnPlateau]),
        ("minimum", [ScheduleKind.Cosine, ScheduleKind.WarmupCosine, ScheduleKind.ReduceOnPlateau]));

    private enum ScheduleKind
    {
        Constant,
        Step,
        Exponential,
        InverseTime,
        Cosine,
        WarmupCosine,
        RangeTest,
        ReduceOnPlateau,
    }

    public static ScheduleOptions Read(Section optimizer, double rate)
    {
        var node = optimizer.Find("schedule");
        var schedule = node is YamlScalarNode ? new Section(null, optimizer.KeyOf("schedule"), optimizer.Problems) : optimizer.Below("schedule", "kind: cosine");
        var name = node is YamlScalarNode ? node : schedule.Find("kind");
        var kind = name is null ? ScheduleKind.Constant : schedule.Choice<ScheduleKind>(name, node is YamlScalarNode ? schedule.Path : schedule.KeyOf("kind"));
        Owners.RefuseForeign(schedule, kind);
        var options = Read(kind ?? ScheduleKind.Constant, schedule, rate);
        schedule.RefuseUnknown();
        return options;
    }

    private static ScheduleOptions Read(ScheduleKind kind, Section schedule, double rate)
    {
        switch (kind)
        {
            case ScheduleKind.Step:
                var step = new StepScheduleOptions();
                return new StepScheduleOptions(schedule.Integer("every", step.Every, 1, long.MaxValue), Factor(schedule, step.Factor));
            case ScheduleKind.Exponential:
                return new ExponentialScheduleOptions(Factor(schedule, new ExponentialScheduleOptions().Factor));
            case ScheduleKind.InverseTime:
                return new InverseTimeScheduleOptions(schedule.Number("decay", new InverseTimeScheduleOptions().Decay, static value => value > 0, "a number above 0"));
            case ScheduleKind.Cosine:
                return new CosineScheduleOptions(Steps(schedule), Minimum(schedule, rate));
            case ScheduleKind.WarmupCosine:
                var rise = new WarmupCosineScheduleOptions(schedule.Integer("warmup", new WarmupCosineScheduleOptions().Warmup, 1, long.MaxValue), Steps(schedule), Minimum(schedule, rate));
                if (rise.Steps <= rise.Warmup)
                {
                    schedule.Problems.Add(schedule.Find("warmup") ?? schedule.Find("steps"), schedule.KeyOf("warmup"), $"{rise.Warmup} steps of warmup leave nothing of {rise.Steps} steps. Write fewer, or more steps.");
                }

                return rise;
            case ScheduleKind.RangeTest:
                var test = new RangeTestScheduleOptions();
                var from = schedule.Number("from", test.From, static value => value > 0, "a number above 0");
                return new RangeTestScheduleOptions(
                    from,
                    schedule.Number("to", Math.Max(test.To, 2 * from), value => (float)value > (float)from, string.Create(CultureInfo.InvariantCulture, $"a number above from, {from}")),
                    Steps(schedule, 2));
            case ScheduleKind.ReduceOnPlateau:
                var plateau = new ReduceOnPlateauScheduleOptions();
                return new ReduceOnPlateauScheduleOptions(
                    Factor(schedule, plateau.Factor),
                    (int)schedule.Integer("patience", plateau.Patience, 0),
                    schedule.Number("threshold", plateau.Threshold, static value => value is >= 0 and < 1, "a number from 0 to below 1"),
                    Minimum(schedule, rate));
            default:
                return new ConstantScheduleOptions();
        }
    }

    private static double Factor(Section schedule, double fallback) => schedule.Number("factor", fallback, static value => value is > 0 and < 1, BelowOne);

    private static long? Steps(Section schedule, long fewest = 1) => schedule.Find("steps") is null ? null : schedule.Integer("steps", fewest, fewest, long.MaxValue);

    private static double Minimum(Section schedule, double rate) =>
        schedule.Number("minimum", 0, value => value >= 0 && (float)value <= (float)rate, string.Create(CultureInfo.InvariantCulture, $"a number from 0 to the learning rate, {rate}"));
}
