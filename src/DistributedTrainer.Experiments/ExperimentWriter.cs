using System.Text;
using DistributedTrainer.Experiments.Reading;
using DistributedTrainer.Experiments.Writing;
using static DistributedTrainer.Experiments.Writing.YamlValues;

namespace DistributedTrainer.Experiments;

/// <summary>Writes experiments as YAML.</summary>
public static class ExperimentWriter
{
    /// <summary>The file with all defaults written out; reading it gives an equal experiment.</summary>
    /// <param name="experiment">What to write.</param>
    public static string Write(Experiment experiment)
    {
        var (data, model, training, cluster) = (experiment.Data, experiment.Model, experiment.Training, experiment.Cluster);
        var text = new StringBuilder();
        Line(text, $"name: {Name(experiment.Name)}");
        Line(text, $"seed: {experiment.Seed}");
        Line(text, "data:");
        Line(text, $"  source: {Quote(data.Source)}");
        Line(text, $"  target: {Quote(data.Target)}");
        Line(text, $"  task: {(data.Task is { } task ? Names.Kebab(task) : "null")}");
        if (data.Separator is { } separator)
        {
            Line(text, $"  separator: {Quote(separator.ToString())}");
        }

        if (data.Quote != '"')
        {
            Line(text, $"  quote: {Quote(data.Quote.ToString())}");
        }

        if (data.Missing != MissingPolicy.Error)
        {
            Line(text, $"  missing: {Names.Kebab(data.Missing)}");
        }

        Line(text, $"  split: {(data.Split is { } split ? $"{{ validation: {Number(split.Validation)}, test: {Number(split.Test)}, stratify: {Flag(split.Stratify)} }}" : "none")}");
        Line(text, $"  folds: {(data.Folds is { } folds ? $"{folds}" : "null")}");
        if (data.Fold is { } fold)
        {
            Line(text, $"  fold: {fold}");
        }

        Line(text, $"  training-share: {Number(data.TrainingShare)}");
        Line(text, $"  validation-source: {Quote(data.ValidationSource)}");
        Line(text, $"  test-source: {Quote(data.TestSource)}");
        Line(text, $"  image: {(data.Image is { } image ? $"[{image.Channels}, {image.Height}, {image.Width}]" : "null")}");
        Line(text, $"  preprocess: {List(data.Preprocess, Step)}");
        Line(text, $"  augment: {List(data.Augment, Change)}");
        Line(text, $"  shuffle: {Flag(data.Shuffle)}");
        Line(text, "model:");
        Line(text, $"  from: {Quote(model.From)}");
        Line(text, $"  init: {{ weights: {Weights(model.Init.Weights)}, bias: {(model.Init.Bias == 0 ? "zeros" : Number(model.Init.Bias))} }}");
        Line(text, "  layers:");
        foreach (var layer in model.Layers)
        {
            Line(text, $"    - {Layer(layer)}");
        }

        Line(text, $"loss: {(experiment.Loss is { } loss ? Loss(loss) : "null")}");
        Line(text, "optimizer:");
        Optimizer(text, experiment.Optimizer);
        Line(text, "training:");
        Line(text, training.Steps is { } steps ? $"  steps: {steps}" : $"  epochs: {training.Epochs}");
        if (training.PauseAfter is { } pause)
        {
            Line(text, $"  pause-after: {pause}");
        }

        Line(text, $"  batch-size: {training.BatchSize}");
        Line(text, $"  shards: {training.Shards}");
        Line(text, $"  mode: {Names.Kebab(training.Mode)}");
        if (training.Mode == TrainingMode.Stale)
        {
            Line(text, $"  staleness: {training.Staleness}");
        }

        Line(text, $"  accumulate: {training.Accumulate}");
        if (training.LocalSteps > 1)
        {
            Line(text, $"  local-steps: {training.LocalSteps}");
        }

        Line(text, $"  last-batch: {Names.Kebab(training.LastBatch)}");
        Line(text, $"  non-finite: {Names.Kebab(training.NonFinite)}");
        if (training.Compression.Kind != CompressionKind.None)
        {
            Line(text, $"  compression: {Compression(training.Compression)}");
        }

        Line(text, $"  early-stopping: {(training.EarlyStopping is { } stopping ? $"{{ metric: {Names.Kebab(stopping.Metric)}, patience: {stopping.Patience}, restore-best: {Flag(stopping.RestoreBest)} }}" : "null")}");
        Line(text, $"cluster: {{ workers: {cluster.Workers}, servers: {cluster.Servers}, partitions: {cluster.Partitions}, minimum-workers: {cluster.MinimumWorkers}, max-restarts: {cluster.MaxRestarts}, transport: {Names.Kebab(cluster.Transport)}, overlap: {Names.Kebab(cluster.Overlap)}, placement: {Names.Kebab(cluster.Placement)}, timeline: {Names.Kebab(cluster.Timeline)} }}");
        var checkpoint = experiment.Checkpoint;
        Line(text, $"checkpoint: {{ every-steps: {Steps(checkpoint.EverySteps)}, every-seconds: {Number(checkpoint.EverySeconds)}, keep: {checkpoint.Keep} }}");
        if (experiment.Tune is { } tune)
        {
            Tune(text, tune);
        }

        return text.ToString();
    }

    // The same bytes on every system: no Environment.NewLine.
    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static void Optimizer(StringBuilder text, OptimizerOptions options)
    {
        Line(text, $"  kind: {Names.Kebab(options.Kind)}");
        Line(text, $"  learning-rate: {Number(options.LearningRate)}");
        Line(text, $"  weight-decay: {Number(options.WeightDecay)}");
        Line(text, $"  l1: {Number(options.L1)}");
        Line(text, $"  l1-zeros: {Flag(options.L1Zeros)}");
        Line(text, $"  decay-biases: {Flag(options.DecayBiases)}");
        Line(text, $"  clip-norm: {Number(options.ClipNorm)}");
        Line(text, $"  clip-value: {Number(options.ClipValue)}");
        foreach (var (key, value) in (ReadOnlySpan<(string, double)>)[
            ("momentum", options.Momentum), ("decay", options.Decay), ("beta1", options.Beta1), ("beta2", options.Beta2), ("epsilon", options.Epsilon)])
        {
            if (OptimizerSection.Owners.Has(options.Kind, key))
            {
                Line(text, $"  {key}: {Number(value)}");
            }
        }

        Line(text, $"  schedule: {Schedule(options.Schedule)}");
    }

    private static void Tune(StringBuilder text, TuneOptions tune)
    {
        Line(text, "tune:");
        Line(text, $"  search: {Names.Kebab(tune.Search)}");
        Line(text, $"  trials: {(tune.Trials is { } trials ? $"{trials}" : "null")}");
        Line(text, $"  metric: {Names.Kebab(tune.Metric)}");
        if (tune.Halving is { } halving)
        {
            Line(text, $"  halving: {{ factor: {halving.Factor}, first-epochs: {halving.FirstEpochs} }}");
        }

        Line(text, tune.Ranges.Count == 0 ? "  ranges: {}" : "  ranges:");
        foreach (var range in tune.Ranges)
        {
            Line(text, $"    {Key(range.Key)}: {Range(range)}");
        }
    }

    private static string Range(TuneRange range) => range switch
    {
        ChoiceRange choices => $"[{string.Join(", ", choices.Values)}]",
        NumberRange number => $"{{ from: {Number(number.From)}, to: {Number(number.To)}, scale: {Names.Kebab(number.Scale)}, whole: {Flag(number.Whole)}, points: {number.Points} }}",
        _ => throw new ArgumentException($"experiment: a range of type {range.GetType().Name} cannot be written."),
    };

    private static string Loss(LossOptions loss) => loss.Kind switch
    {
        _ when loss.Custom is { } custom => $"{{ kind: {custom.Name}{(ExtensionText.Keys(custom) is { Length: > 0 } keys ? $", {keys}" : "")}{ClassWeights(loss)} }}",
        LossKind.CrossEntropy => $"{{ kind: cross-entropy, label-smoothing: {Number(loss.LabelSmoothing)}{ClassWeights(loss)} }}",
        _ when loss.ClassWeights is not null => $"{{ kind: {Names.Kebab(loss.Kind)}{ClassWeights(loss)} }}",
        LossKind.Huber => $"{{ kind: huber, delta: {Number(loss.Delta)} }}",
        _ => Names.Kebab(loss.Kind),
    };

    private static string ClassWeights(LossOptions loss) => loss.ClassWeights switch
    {
        null => "",
        { Weights.Count: 0 } => ", class-weights: balanced",
        { Weights: var weights } => $", class-weights: {{ {string.Join(", ", weights.Select(static weight => $"{Quote(weight.Class)}: {Number(weight.Weight)}"))} }}",
    };

    private static string Compression(CompressionOptions compression) =>
        compression.Kind == CompressionKind.TopK ? $"{{ top-k: {Number(compression.Share)} }}" : Names.Kebab(compression.Kind);

    private static string Schedule(ScheduleOptions schedule) => schedule switch
    {
        ConstantScheduleOptions => "{ kind: constant }",
        StepScheduleOptions step => $"{{ kind: step, every: {step.Every}, factor: {Number(step.Factor)} }}",
        ExponentialScheduleOptions exponential => $"{{ kind: exponential, factor: {Number(exponential.Factor)} }}",
        InverseTimeScheduleOptions inverse => $"{{ kind: inverse-time, decay: {Number(inverse.Decay)} }}",
        CosineScheduleOptions cosine => $"{{ kind: cosine, steps: {Steps(cosine.Steps)}, minimum: {Number(cosine.Minimum)} }}",
        WarmupCosineScheduleOptions rise => $"{{ kind: warmup-cosine, warmup: {rise.Warmup}, steps: {Steps(rise.Steps)}, minimum: {Number(rise.Minimum)} }}",
        RangeTestScheduleOptions test => $"{{ kind: range-test, from: {Number(test.From)}, to: {Number(test.To)}, steps: {Steps(test.Steps)} }}",
        ReduceOnPlateauScheduleOptions plateau =>
            $"{{ kind: reduce-on-plateau, factor: {Number(plateau.Factor)}, patience: {plateau.Patience}, threshold: {Number(plateau.Threshold)}, minimum: {Number(plateau.Minimum)} }}",
        _ => throw new ArgumentException($"experiment: a schedule of type {schedule.GetType().Name} cannot be written."),
    };

    private static string Steps(long? steps) => steps is { } number ? $"{number}" : "null";

    private static string Layer(LayerOptions layer) => layer switch
    {
        LinearOptions linear => $"linear: {{ outputs: {linear.Outputs}, bias: {Flag(linear.Bias)} }}",
        BatchNormOptions norm => $"batch-norm: {{ momentum: {Number(norm.Momentum)}, epsilon: {Number(norm.Epsilon)}, sync: {Flag(norm.Sync)} }}",
        LayerNormOptions norm => $"layer-norm: {{ epsilon: {Number(norm.Epsilon)} }}",
        ActivationOptions { Kind: ActivationKind.LeakyRelu, Alpha: var slope } => $"leaky-relu: {{ slope: {Number(slope)} }}",
        ActivationOptions { Kind: ActivationKind.Elu, Alpha: var alpha } => $"elu: {{ alpha: {Number(alpha)} }}",
        ActivationOptions activation => Names.Kebab(activation.Kind),
        DropoutOptions dropout => $"dropout: {Number(dropout.Rate)}",
        Conv2dOptions conv => $"conv2d: {{ outputs: {conv.Outputs}, kernel: {conv.Kernel}, stride: {conv.Stride}, padding: {conv.Padding}, bias: {Flag(conv.Bias)} }}",
        MaxPool2dOptions pool => $"max-pool2d: {{ kernel: {pool.Kernel}, stride: {pool.Stride} }}",
        AvgPool2dOptions pool => $"avg-pool2d: {{ kernel: {pool.Kernel}, stride: {pool.Stride} }}",
        GlobalAvgPool2dOptions => "global-avg-pool2d",
        FlattenOptions => "flatten",
        ResidualOptions residual => $"residual: {{ layers: {List(residual.Layers, Layer)}, shortcut: {List(residual.Shortcut, Layer)} }}",
        CustomLayerOptions { Layer: var custom } => ExtensionText.Keys(custom) is { Length: > 0 } keys ? $"{custom.ExtensionName}: {{ {keys} }}" : custom.ExtensionName,
        _ => throw new ArgumentException($"experiment: a layer of type {layer.GetType().Name} cannot be written."),
    };

    private static string Weights(WeightOptions weights) =>
        weights.Kind is WeightKind.Normal or WeightKind.Uniform ? $"{{ {Names.Kebab(weights.Kind)}: {Number(weights.Scale)} }}" : Names.Kebab(weights.Kind);

    private static string Step(PreprocessOptions step) => step.Kind switch
    {
        PreprocessKind.Scale => $"scale: {Number(step.Factor)}",
        PreprocessKind.Polynomial => $"polynomial: {step.Degree}",
        PreprocessKind.OneHot => $"one-hot: {List(step.Columns, Quote)}",
        _ => Names.Kebab(step.Kind),
    };

    private static string Change(AugmentOptions change) =>
        change.Kind == AugmentKind.Flip ? "flip" : $"{Names.Kebab(change.Kind)}: {Number(change.Amount)}";
}
