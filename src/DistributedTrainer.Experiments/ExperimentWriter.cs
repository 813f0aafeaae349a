using System.Globalization;
using System.Text;
using DistributedTrainer.Experiments.Reading;

namespace DistributedTrainer.Experiments;

/// <summary>Writes experiments as YAML.</summary>
public static class ExperimentWriter
{
    /// <summary>The file with all defaults written out; reading it gives an equal experiment.</summary>
    /// <param name="experiment">What to write.</param>
    public static string Write(Experiment experiment)
    {
        var (data, training, cluster) = (experiment.Data, experiment.Training, experiment.Cluster);
        var text = new StringBuilder();
        Line(text, $"name: {Name(experiment.Name)}");
        Line(text, $"seed: {experiment.Seed}");
        Line(text, "data:");
        Line(text, $"  source: {Quote(data.Source)}");
        Line(text, $"  target: {(data.Target is null ? "null" : Quote(data.Target))}");
        Line(text, $"  task: {(data.Task is { } task ? Names.Kebab(task) : "null")}");
        Line(text, data.Split is { } split
            ? $"  split: {{ validation: {Number(split.Validation)}, test: {Number(split.Test)}, stratify: {Flag(split.Stratify)} }}"
            : "  split: none");
        Line(text, $"  preprocess: [{string.Join(", ", data.Preprocess.Select(Step))}]");
        Line(text, $"  shuffle: {Flag(data.Shuffle)}");
        Line(text, "model:");
        Line(text, $"  init: {{ weights: {Weights(experiment.Model.Init.Weights)}, bias: {Names.Kebab(experiment.Model.Init.Bias)} }}");
        Line(text, "  layers:");
        foreach (var layer in experiment.Model.Layers)
        {
            Line(text, $"    - {Layer(layer)}");
        }

        Line(text, $"loss: {Names.Kebab(experiment.Loss)}");
        Line(text, $"optimizer: {{ {Optimizer(experiment.Optimizer)} }}");
        Line(text, $"training: {{ {(training.Steps is { } steps ? $"steps: {steps}" : $"epochs: {training.Epochs}")}, batch-size: {training.BatchSize}, shards: {training.Shards}, mode: {Names.Kebab(training.Mode)}, last-batch: {Names.Kebab(training.LastBatch)} }}");
        Line(text, $"cluster: {{ workers: {cluster.Workers}, servers: {cluster.Servers}, partitions: {cluster.Partitions}, minimum-workers: {cluster.MinimumWorkers}, max-restarts: {cluster.MaxRestarts}, transport: {Names.Kebab(cluster.Transport)} }}");
        return text.ToString();
    }

    private static string Optimizer(OptimizerOptions options)
    {
        var own = options.Kind switch
        {
            OptimizerKind.Momentum => $", momentum: {Number(options.Momentum)}",
            OptimizerKind.Adam => $", beta1: {Number(options.Beta1)}, beta2: {Number(options.Beta2)}, epsilon: {Number(options.Epsilon)}",
            _ => "",
        };
        return $"kind: {Names.Kebab(options.Kind)}, learning-rate: {Number(options.LearningRate)}, weight-decay: {Number(options.WeightDecay)}, decay-biases: {Flag(options.DecayBiases)}{own}";
    }

    private static string Layer(LayerOptions layer) => layer switch
    {
        LinearOptions linear => $"linear: {{ outputs: {linear.Outputs}, bias: {Flag(linear.Bias)} }}",
        BatchNormOptions norm => $"batch-norm: {{ momentum: {Number(norm.Momentum)}, epsilon: {Number(norm.Epsilon)}, sync: {Flag(norm.Sync)} }}",
        ActivationOptions activation => Names.Kebab(activation.Kind),
        DropoutOptions dropout => $"dropout: {Number(dropout.Rate)}",
        _ => throw new ArgumentException($"experiment: a layer of type {layer.GetType().Name} cannot be written."),
    };

    private static string Weights(WeightOptions weights) =>
        weights.Kind is WeightKind.Normal or WeightKind.Uniform ? $"{{ {Names.Kebab(weights.Kind)}: {Number(weights.Scale)} }}" : Names.Kebab(weights.Kind);

    private static string Step(PreprocessOptions step) =>
        step.Kind == PreprocessKind.Scale ? $"scale: {Number(step.Factor)}" : Names.Kebab(step.Kind);

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Flag(bool value) => value ? "true" : "false";

    // The same bytes on every system: no Environment.NewLine.
    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static string Name(string name) => char.IsLetter(name[0]) && !name.Equals("null", StringComparison.OrdinalIgnoreCase) ? name : Quote(name);

    private static string Quote(string value)
    {
        if (!value.Any(IsHidden))
        {
            return $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";
        }

        var text = new StringBuilder("\"");
        foreach (var letter in value)
        {
            text.Append(letter is '"' or '\\' || IsHidden(letter) ? $"\\u{(int)letter:X4}" : letter.ToString());
        }

        return text.Append('"').ToString();
    }

    private static bool IsHidden(char letter) => char.IsControl(letter) || letter is '\u2028' or '\u2029' or '\uFEFF';
}
