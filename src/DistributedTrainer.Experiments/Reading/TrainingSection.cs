using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>training</c>.</summary>
internal static class TrainingSection
{
    public static TrainingOptions Read(Section training, DataOptions data, LossOptions? loss)
    {
        var defaults = new TrainingOptions();
        var (epochs, steps) = (training.Find("epochs"), training.Find("steps"));
        if (epochs is not null && steps is not null && training.Problems.IsOverride(epochs) != training.Problems.IsOverride(steps))
        {
            // One of them came with --set: it takes the place of what the file says.
            epochs = training.Problems.IsOverride(epochs) ? epochs : null;
            steps = epochs is null ? steps : null;
        }
        else if (epochs is not null && steps is not null)
        {
            training.Problems.Add(steps, training.KeyOf("steps"), "epochs and steps are both given. Write one of them.");
        }

        var options = new TrainingOptions
        {
            Epochs = steps is null ? (int)training.Integer("epochs", defaults.Epochs!.Value, 1) : null,
            Steps = steps is null ? null : training.Integer("steps", 1, 1, long.MaxValue),
            PauseAfter = training.Find("pause-after") is null ? null : (int)training.Integer("pause-after", 1, 1),
            BatchSize = (int)training.Integer("batch-size", defaults.BatchSize, 1),
            Shards = (int)training.Integer("shards", defaults.Shards, 1, 65536),
            Mode = training.Choice("mode", defaults.Mode),
            Accumulate = (int)training.Integer("accumulate", defaults.Accumulate, 1),
            LocalSteps = (int)training.Integer("local-steps", defaults.LocalSteps, 1, TrainingOptions.MostLocalSteps),
            LastBatch = training.Choice("last-batch", defaults.LastBatch),
            NonFinite = training.Choice("non-finite", defaults.NonFinite),
            Compression = ReadCompression(training),
            EarlyStopping = training.Find("early-stopping") is null ? null : ReadEarlyStopping(training.Below("early-stopping", "patience: 5"), data, loss),
        };
        options = options with { Staleness = ReadStaleness(training, options.Mode) };
        if (options.Shards > options.BatchSize)
        {
            training.Problems.Add(
                training.Find("shards") ?? training.Find("batch-size"),
                training.KeyOf(training.Find("shards") is null ? "batch-size" : "shards"),
                $"{options.Shards} shards are more than the {options.BatchSize} rows of a batch: some leaves would always be empty. Use at most batch-size shards.");
        }

        if (options.Mode != TrainingMode.Sync && options.Compression.Kind != CompressionKind.None)
        {
            training.Problems.Add(
                training.Find("compression"), training.KeyOf("compression"), $"it is made for mode: sync; with {Names.Kebab(options.Mode)} it is not built. Write mode: sync, or compression: none.");
        }

        RefuseWithLocalSteps(training, options);
        RefusePause(training, options);
        training.RefuseUnknown();
        return options;
    }

    private static void RefuseWithLocalSteps(Section training, TrainingOptions options)
    {
        if (options.LocalSteps > 1 && options.Mode != TrainingMode.Sync)
        {
            training.Problems.Add(
                training.Find("local-steps"), training.KeyOf("local-steps"), $"shards that are averaged wait for each other, which {Names.Kebab(options.Mode)} does not. Write mode: sync, or local-steps: 1.");
        }

        if (options.LocalSteps > 1 && options.Compression.Kind != CompressionKind.None)
        {
            training.Problems.Add(
                training.Find("local-steps"), training.KeyOf("local-steps"), "compression is made for gradients; averages of parameters and of the optimizer's state would not bear it. Write compression: none, or local-steps: 1.");
        }
    }

    private static void RefusePause(Section training, TrainingOptions options)
    {
        if (options.PauseAfter is { } pause && options.Epochs is { } epochs && pause >= epochs)
        {
            training.Problems.Add(training.Find("pause-after"), training.KeyOf("pause-after"), $"after {pause} epochs the run is over: training.epochs is {epochs}. Write less, or remove it.");
        }

        if (options.PauseAfter is not null && options.Mode != TrainingMode.Sync)
        {
            training.Problems.Add(
                training.Find("pause-after"), training.KeyOf("pause-after"), $"workers in mode {Names.Kebab(options.Mode)} are never at the same step, at which they could pause. Write mode: sync, or remove it.");
        }
    }

    private static CompressionOptions ReadCompression(Section training)
    {
        var key = training.KeyOf("compression");
        if (training.Find("compression") is not YamlMappingNode { Children: [{ Key: var name, Value: var share }] } withShare)
        {
            var kind = training.Choice("compression", CompressionKind.None);
            if (kind == CompressionKind.TopK)
            {
                training.Problems.Add(training.Find("compression"), key, "top-k needs the share of the elements that are sent. Write compression: { top-k: 0.01 }.");
                kind = CompressionKind.None;
            }

            return new CompressionOptions(kind);
        }

        var chosen = training.Choice<CompressionKind>(name, key);
        if (chosen is not null and not CompressionKind.TopK)
        {
            training.Problems.Add(withShare, key, $"{Names.Kebab(chosen.Value)} takes no share. Write compression: {Names.Kebab(chosen.Value)}.");
        }

        return chosen is CompressionKind.TopK
            ? new CompressionOptions(CompressionKind.TopK, training.Number(share, $"{key}.top-k", 0.01, static value => value is > 0 and < 1, "a number above 0 and below 1, such as 0.01"))
            : new CompressionOptions(CompressionKind.None);
    }

    private static int ReadStaleness(Section training, TrainingMode mode)
    {
        var staleness = (int)training.Integer("staleness", mode == TrainingMode.Stale ? TrainingOptions.DefaultStaleness : 0, 0);
        if (mode != TrainingMode.Stale && staleness > 0)
        {
            training.Problems.Add(training.Find("staleness"), training.KeyOf("staleness"), $"{Names.Kebab(mode)} has no such bound. Write mode: stale, or remove it.");
            return 0;
        }

        return staleness;
    }

    private static EarlyStoppingOptions ReadEarlyStopping(Section stopping, DataOptions data, LossOptions? loss)
    {
        var defaults = new EarlyStoppingOptions();
        var options = new EarlyStoppingOptions
        {
            Metric = stopping.Choice("metric", defaults.Metric),
            Patience = (int)stopping.Integer("patience", defaults.Patience, 1),
            RestoreBest = stopping.Flag("restore-best", defaults.RestoreBest),
        };
        stopping.RefuseUnknown();
        if (stopping.IsBroken)
        {
            return options;
        }

        if (data is { ValidationSource: null, Folds: null, Split: null or { Validation: 0 } })
        {
            stopping.Problems.Add(stopping.Node, stopping.Path, "there are no validation rows to watch. Write data.split: { validation: 0.1 }, or data.validation-source.");
        }

        if (options.Metric == EarlyStoppingMetric.ValidationAccuracy && loss is not null && LossSection.NeedsNumbers(loss.Kind))
        {
            stopping.Problems.Add(stopping.Find("metric"), stopping.KeyOf("metric"), $"{Names.Kebab(loss.Kind)} compares numbers, which have no accuracy. Write validation-loss.");
        }

        return options;
    }
}
