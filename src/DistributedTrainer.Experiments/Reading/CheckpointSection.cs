namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>checkpoint</c>.</summary>
internal static class CheckpointSection
{
    public static CheckpointOptions Read(Section checkpoint)
    {
        var defaults = new CheckpointOptions();
        var options = new CheckpointOptions
        {
            EverySteps = IsNever(checkpoint, "every-steps", defaults.EverySteps is null) ? null : checkpoint.Integer("every-steps", defaults.EverySteps ?? 1, 1, long.MaxValue),
            EverySeconds = IsNever(checkpoint, "every-seconds", defaults.EverySeconds is null)
                ? null
                : checkpoint.Number("every-seconds", defaults.EverySeconds ?? 1, static seconds => seconds is >= 0.001 and <= 1e9, "a number of seconds from 0.001 to 1e9, or null"),
            Keep = (int)checkpoint.Integer("keep", defaults.Keep, 1, 1_000_000),
        };
        checkpoint.RefuseUnknown();
        return options;
    }

    /// <summary>Whether null stands there, or nothing where that means null.</summary>
    private static bool IsNever(Section checkpoint, string name, bool byDefault) =>
        checkpoint.Find(name) is null && (byDefault || checkpoint.Has(name));
}
