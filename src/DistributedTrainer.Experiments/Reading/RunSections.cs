using DistributedTrainer.Data;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>loss</c>, <c>optimizer</c>, <c>training</c> and <c>cluster</c>.</summary>
internal static class RunSections
{
    private static readonly string[] PlannedLosses =
        ["perceptron", "multiclass-perceptron", "hinge", "multiclass-hinge", "logistic", "binary-cross-entropy", "kl-divergence", "mean-absolute-error", "huber"];

    private static readonly string[] PlannedOptimizers = ["nesterov", "rmsprop", "adamw", "adagrad"];

    private static readonly string[] PlannedSchedules = ["step", "exponential", "inverse-time", "cosine", "warmup-cosine", "reduce-on-plateau"];

    public static LossKind ReadLoss(Section root, DataOptions data)
    {
        var task = data.Task ?? EmbeddedTask(data.Source);
        var fallback = task == TargetTask.Regression ? LossKind.MeanSquaredError : LossKind.CrossEntropy;
        var node = root.Find("loss");
        if (node is YamlMappingNode)
        {
            root.Problems.Add(node, "loss", "values of a loss (such as label-smoothing) are not built yet. Write its name alone.");
            return fallback;
        }

        if (node is YamlScalarNode { Value: "zero-one" })
        {
            root.Problems.Add(node, "loss", "zero-one has a gradient of zero everywhere, so nothing can be trained with it. Write cross-entropy; the accuracy is reported anyway.");
            return fallback;
        }

        var loss = root.Choice("loss", fallback, PlannedLosses);
        if (data.Task is { } given && loss != fallback)
        {
            root.Problems.Add(node, "loss", $"{Names.Kebab(loss)} does not fit data.task: {Names.Kebab(given)}. Write {Names.Kebab(fallback)}.");
        }

        return loss;
    }

    public static OptimizerOptions ReadOptimizer(Section optimizer)
    {
        var defaults = new OptimizerOptions();
        var kind = optimizer.Choice("kind", defaults.Kind, PlannedOptimizers);
        var options = new OptimizerOptions
        {
            Kind = kind,
            LearningRate = optimizer.Number("learning-rate", defaults.LearningRate, static value => value > 0, "a number above 0"),
            WeightDecay = optimizer.Number("weight-decay", 0, static value => value >= 0, "a number, 0 or more"),
            DecayBiases = optimizer.Flag("decay-biases", false),
            Momentum = OnlyFor(optimizer, "momentum", kind, OptimizerKind.Momentum, defaults.Momentum, static value => value is >= 0 and < 1, "a number from 0 to below 1"),
            Beta1 = OnlyFor(optimizer, "beta1", kind, OptimizerKind.Adam, defaults.Beta1, static value => value is >= 0 and < 1, "a number from 0 to below 1"),
            Beta2 = OnlyFor(optimizer, "beta2", kind, OptimizerKind.Adam, defaults.Beta2, static value => value is >= 0 and < 1, "a number from 0 to below 1"),
            Epsilon = OnlyFor(optimizer, "epsilon", kind, OptimizerKind.Adam, defaults.Epsilon, static value => value > 0, "a number above 0"),
        };
        optimizer.NotBuilt("l1", static node => IsNumber(node, 0), "Write 0, or remove it.");
        optimizer.NotBuilt("clip-norm");
        optimizer.NotBuilt("clip-value");
        ReadSchedule(optimizer);
        optimizer.RefuseUnknown();
        return options;
    }

    private static void ReadSchedule(Section optimizer)
    {
        if (optimizer.Find("schedule") is YamlScalarNode { Value: "constant" })
        {
            return;
        }

        var schedule = optimizer.Below("schedule", "kind: constant");
        schedule.Choice("kind", ScheduleKind.Constant, PlannedSchedules);
        if (schedule.Find("kind") is null or YamlScalarNode { Value: "constant" })
        {
            schedule.RefuseUnknown();
        }
    }

    public static TrainingOptions ReadTraining(Section training)
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
            BatchSize = (int)training.Integer("batch-size", defaults.BatchSize, 1),
            Shards = (int)training.Integer("shards", defaults.Shards, 1, 65536),
            Mode = training.Choice("mode", defaults.Mode, "stale", "async"),
            LastBatch = training.Choice("last-batch", defaults.LastBatch),
        };
        if (options.Shards > options.BatchSize)
        {
            training.Problems.Add(
                training.Find("shards") ?? training.Find("batch-size"),
                training.KeyOf(training.Find("shards") is null ? "batch-size" : "shards"),
                $"{options.Shards} shards are more than the {options.BatchSize} rows of a batch: some leaves would always be empty. Use at most batch-size shards.");
        }

        training.NotBuilt("accumulate", static node => IsNumber(node, 1), "Write 1, or remove it; a larger batch-size does the same.");
        training.NotBuilt("staleness", static node => IsNumber(node, 0));
        training.NotBuilt("local-steps", static node => IsNumber(node, 1));
        training.NotBuilt("compression", static node => node is YamlScalarNode { Value: "none" });
        training.NotBuilt("early-stopping");
        training.RefuseUnknown();
        return options;
    }

    public static ClusterOptions ReadCluster(Section cluster)
    {
        var defaults = new ClusterOptions();
        var options = new ClusterOptions
        {
            Workers = (int)cluster.Integer("workers", defaults.Workers, 1, 1024),
            Servers = (int)cluster.Integer("servers", defaults.Servers, 1, 1024),
            Partitions = (int)cluster.Integer("partitions", defaults.Partitions, 1, 1024),
            MinimumWorkers = (int)cluster.Integer("minimum-workers", defaults.MinimumWorkers, 1, 1024),
            MaxRestarts = (int)cluster.Integer("max-restarts", defaults.MaxRestarts, 0, 1_000_000),
            Transport = cluster.Choice("transport", defaults.Transport, "shared-memory"),
        };
        if (options.MinimumWorkers > options.Workers)
        {
            cluster.Problems.Add(cluster.Find("minimum-workers") ?? cluster.Find("workers"), cluster.KeyOf("minimum-workers"), $"{options.MinimumWorkers} is more than cluster.workers, {options.Workers}: training would never begin. Write at most as many, or more workers.");
        }

        if (options.Servers > options.Partitions)
        {
            cluster.Problems.Add(cluster.Find("servers") ?? cluster.Find("partitions"), cluster.KeyOf("servers"), $"{options.Servers} servers are more than cluster.partitions, {options.Partitions}: some would have nothing to do. Use at least as many partitions as servers.");
        }

        cluster.RefuseUnknown();
        return options;
    }

    private static TargetTask? EmbeddedTask(string source) =>
        source == "diabetes" ? TargetTask.Regression : DatasetReader.EmbeddedNames.Contains(source) ? TargetTask.Classification : null;

    private static double OnlyFor(
        Section optimizer, string name, OptimizerKind kind, OptimizerKind owner, double fallback, Func<double, bool> possible, string range)
    {
        if (kind != owner && optimizer.Find(name) is { } node)
        {
            optimizer.Problems.Add(node, optimizer.KeyOf(name), $"{Names.Kebab(kind)} has no {name}; {Names.Kebab(owner)} has. Remove it.");
            return fallback;
        }

        return optimizer.Number(name, fallback, possible, range);
    }

    private static bool IsNumber(YamlNode node, double value) =>
        node is YamlScalarNode scalar
        && double.TryParse(scalar.Value, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var number)
        && number == value;

    private enum ScheduleKind
    {
        Constant,
    }
}
