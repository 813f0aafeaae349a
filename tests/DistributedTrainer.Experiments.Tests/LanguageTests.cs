namespace DistributedTrainer.Experiments.Tests;

/// <summary>Every form in which layers, losses, optimizers, schedules and data can be written.</summary>
public sealed class LanguageTests
{
    public static TheoryData<string, LayerOptions> Layers => new()
    {
        { "relu", new ActivationOptions(ActivationKind.Relu) },
        { "tanh", new ActivationOptions(ActivationKind.Tanh) },
        { "sigmoid", new ActivationOptions(ActivationKind.Sigmoid) },
        { "softplus", new ActivationOptions(ActivationKind.Softplus) },
        { "gelu", new ActivationOptions(ActivationKind.Gelu) },
        { "silu", new ActivationOptions(ActivationKind.Silu) },
        { "softmax", new ActivationOptions(ActivationKind.Softmax) },
        { "log-softmax", new ActivationOptions(ActivationKind.LogSoftmax) },
        { "leaky-relu", new ActivationOptions(ActivationKind.LeakyRelu, 0.01) },
        { "leaky-relu: 0.2", new ActivationOptions(ActivationKind.LeakyRelu, 0.2) },
        { "leaky-relu: { slope: 0.2 }", new ActivationOptions(ActivationKind.LeakyRelu, 0.2) },
        { "elu", new ActivationOptions(ActivationKind.Elu, 1) },
        { "elu: 0.5", new ActivationOptions(ActivationKind.Elu, 0.5) },
        { "elu: { alpha: 0.5 }", new ActivationOptions(ActivationKind.Elu, 0.5) },
        { "dropout: 0.5", new DropoutOptions(0.5) },
        { "dropout: { rate: 0.5 }", new DropoutOptions(0.5) },
        { "linear: 7", new LinearOptions(7) },
        { "linear: { outputs: 7, bias: false }", new LinearOptions(7, Bias: false) },
        { "batch-norm: { sync: false }", new BatchNormOptions(Sync: false) },
        { "layer-norm", new LayerNormOptions(1e-5) },
        { "layer-norm: { epsilon: 0.1 }", new LayerNormOptions(0.1) },
        { "conv2d: { outputs: 8, kernel: 3 }", new Conv2dOptions(8, 3, Stride: 1, Padding: 0, Bias: true) },
        { "conv2d: { outputs: 8, kernel: 5, stride: 2, padding: 1, bias: false }", new Conv2dOptions(8, 5, 2, 1, Bias: false) },
        { "max-pool2d: 2", new MaxPool2dOptions(2, 2) },
        { "max-pool2d: { kernel: 3, stride: 2 }", new MaxPool2dOptions(3, 2) },
        { "avg-pool2d: 3", new AvgPool2dOptions(3, 3) },
        { "avg-pool2d: { kernel: 3 }", new AvgPool2dOptions(3, 3) },
        { "global-avg-pool2d", new GlobalAvgPool2dOptions() },
        { "flatten", new FlattenOptions() },
        { "residual: [ linear: 7, relu ]", new ResidualOptions([new LinearOptions(7), new ActivationOptions(ActivationKind.Relu)], []) },
        { "residual: { layers: [ linear: 7 ], shortcut: [ linear: 7 ] }", new ResidualOptions([new LinearOptions(7)], [new LinearOptions(7)]) },
        { "residual: { layers: [ residual: [ tanh ] ], shortcut: [] }", new ResidualOptions([new ResidualOptions([new ActivationOptions(ActivationKind.Tanh)], [])], []) },
    };

    public static TheoryData<string, LossOptions> Losses => new()
    {
        { "hinge", new LossOptions(LossKind.Hinge) },
        { "{ kind: logistic }", new LossOptions(LossKind.Logistic) },
        { "{ perceptron: }", new LossOptions(LossKind.Perceptron) },
        { "multiclass-perceptron", new LossOptions(LossKind.MulticlassPerceptron) },
        { "multiclass-hinge", new LossOptions(LossKind.MulticlassHinge) },
        { "binary-cross-entropy", new LossOptions(LossKind.BinaryCrossEntropy) },
        { "kl-divergence", new LossOptions(LossKind.KlDivergence) },
        { "mean-absolute-error", new LossOptions(LossKind.MeanAbsoluteError) },
        { "mean-squared-error", new LossOptions(LossKind.MeanSquaredError) },
        { "huber", new LossOptions(LossKind.Huber, Delta: 1) },
        { "{ huber: { delta: 2 } }", new LossOptions(LossKind.Huber, Delta: 2) },
        { "{ kind: huber, delta: 2 }", new LossOptions(LossKind.Huber, Delta: 2) },
        { "cross-entropy", new LossOptions(LossKind.CrossEntropy) },
        { "{ cross-entropy: { label-smoothing: 0.1 } }", new LossOptions(LossKind.CrossEntropy, LabelSmoothing: 0.1) },
        { "{ kind: cross-entropy, label-smoothing: 0.1 }", new LossOptions(LossKind.CrossEntropy, LabelSmoothing: 0.1) },
    };

    public static TheoryData<string, OptimizerOptions> Optimizers => new()
    {
        { "kind: sgd", new OptimizerOptions { Kind = OptimizerKind.Sgd } },
        { "kind: momentum", new OptimizerOptions { Kind = OptimizerKind.Momentum, Momentum = 0.9 } },
        { "kind: nesterov, momentum: 0.99", new OptimizerOptions { Kind = OptimizerKind.Nesterov, Momentum = 0.99 } },
        { "kind: rmsprop", new OptimizerOptions { Kind = OptimizerKind.Rmsprop, Decay = 0.99, Epsilon = 1e-8 } },
        { "kind: rmsprop, decay: 0.9, epsilon: 0.1", new OptimizerOptions { Kind = OptimizerKind.Rmsprop, Decay = 0.9, Epsilon = 0.1 } },
        { "kind: adagrad", new OptimizerOptions { Kind = OptimizerKind.Adagrad, Epsilon = 1e-10 } },
        { "kind: adamw, beta1: 0.8, weight-decay: 0.01", new OptimizerOptions { Kind = OptimizerKind.Adamw, Beta1 = 0.8, WeightDecay = 0.01 } },
        { "l1: 0.1, l1-zeros: true", new OptimizerOptions { L1 = 0.1, L1Zeros = true } },
        { "l1: 0.1, clip-norm: 1, clip-value: 0.5, decay-biases: true", new OptimizerOptions { L1 = 0.1, ClipNorm = 1, ClipValue = 0.5, DecayBiases = true } },
    };

    public static TheoryData<string, ScheduleOptions> Schedules => new()
    {
        { "constant", new ConstantScheduleOptions() },
        { "{ kind: constant }", new ConstantScheduleOptions() },
        { "{}", new ConstantScheduleOptions() },
        { "{ kind: step, every: 5, factor: 0.5 }", new StepScheduleOptions(5, 0.5) },
        { "step", new StepScheduleOptions(1000, 0.1) },
        { "{ kind: exponential, factor: 0.93 }", new ExponentialScheduleOptions(0.93) },
        { "{ kind: inverse-time, decay: 0.05 }", new InverseTimeScheduleOptions(0.05) },
        { "cosine", new CosineScheduleOptions(null, 0) },
        { "{ kind: cosine, steps: 1000 }", new CosineScheduleOptions(1000, 0) },
        { "{ kind: cosine, steps: 40, minimum: 0.001 }", new CosineScheduleOptions(40, 0.001) },
        { "{ kind: warmup-cosine, warmup: 4, steps: 40, minimum: 0.0 }", new WarmupCosineScheduleOptions(4, 40, 0) },
        { "reduce-on-plateau", new ReduceOnPlateauScheduleOptions(0.1, 10, 1e-4, 0) },
        { "{ kind: reduce-on-plateau, factor: 0.5, patience: 0, threshold: 0.01, minimum: 1.0e-5 }", new ReduceOnPlateauScheduleOptions(0.5, 0, 0.01, 1e-5) },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_layer_is_read(string text, LayerOptions expected)
    {
        Assert.Equal(expected, Reads.Good($"data: {{ source: digits }}\nmodel: {{ layers: [ {text}, linear: 10 ] }}").Model.Layers[0]);
        Assert.Equal(text.Split(':')[0], ExperimentNames.Of(expected));
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public void A_loss_is_read(string text, LossOptions expected)
    {
        Assert.Equal(expected, Reads.Good(Reads.Minimal + $"loss: {text}").Loss);
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void An_optimizer_is_read(string text, OptimizerOptions expected)
    {
        Assert.Equal(expected, Reads.Good(Reads.Minimal + $"optimizer: {{ {text} }}").Optimizer);
    }

    [Theory]
    [MemberData(nameof(Schedules))]
    public void A_schedule_is_read(string text, ScheduleOptions expected)
    {
        Assert.Equal(expected, Reads.Good(Reads.Minimal + $"optimizer: {{ schedule: {text} }}").Optimizer.Schedule);
    }

    [Theory]
    [InlineData("normal: small", WeightKind.Normal, 0.01)]
    [InlineData("normal: large", WeightKind.Normal, 1)]
    [InlineData("uniform: small", WeightKind.Uniform, 0.01)]
    [InlineData("uniform: 0.1", WeightKind.Uniform, 0.1)]
    public void Weights_have_a_scale(string text, WeightKind kind, double scale)
    {
        var init = Reads.Good($"data: {{ source: digits }}\nmodel: {{ from: start.safetensors, init: {{ weights: {{ {text} }}, bias: -0.5 }}, layers: [ linear: 10 ] }}").Model;

        Assert.Equal((new WeightOptions(kind, scale), -0.5, "start.safetensors"), (init.Init.Weights, init.Init.Bias, init.From));
    }

    [Fact]
    public void Preprocessing_and_augmentation_are_read()
    {
        var data = Reads.Good("""
            data:
              source: rows.csv
              image: [3, 32, 24]
              preprocess: [ polynomial: 3, one-hot: [ colour, 'size' ], min-max ]
              augment: [ shift: 1, flip, rotate: 15, noise: 0.02, scale-jitter: 0.1 ]
            model: { layers: [ linear: 10 ] }
            """).Data;

        Assert.Equal(new ImageOptions(3, 32, 24), data.Image);
        Assert.Equal(
            [new PreprocessOptions(PreprocessKind.Polynomial) { Degree = 3 }, new PreprocessOptions(PreprocessKind.OneHot) { Columns = ["colour", "size"] }, new PreprocessOptions(PreprocessKind.MinMax)],
            data.Preprocess);
        Assert.Equal(
            [new AugmentOptions(AugmentKind.Shift, 1), new AugmentOptions(AugmentKind.Flip), new AugmentOptions(AugmentKind.Rotate, 15), new AugmentOptions(AugmentKind.Noise, 0.02), new AugmentOptions(AugmentKind.ScaleJitter, 0.1)],
            data.Augment);
    }

    [Theory]
    [InlineData("folds: 5", null, null)]
    [InlineData("validation-source: v.csv", null, null)]
    [InlineData("validation-source: v.csv, test-source: t.csv", null, null)]
    [InlineData("test-source: t.csv, split: none", null, null)]
    [InlineData("test-source: t.csv, split: { validation: 0.3 }", 0.3, 0.0)]
    [InlineData("test-source: t.csv, split: {}", 0.1, 0.0)]
    [InlineData("validation-source: v.csv, split: {}", 0.0, 0.2)]
    [InlineData("folds: 5, split: { test: 0.3 }", 0.0, 0.3)]
    [InlineData("folds: 5, test-source: t.csv, split: { validation: 0, test: 0 }", 0.0, 0.0)]
    public void Folds_and_sources_take_the_place_of_the_split(string text, double? validation, double? test)
    {
        var split = Reads.Good($"data: {{ source: digits, {text} }}\nmodel: {{ layers: [ linear: 10 ] }}").Data.Split;

        Assert.Equal((validation, test), (split?.Validation, split?.Test));
    }

    [Fact]
    public void Folds_that_are_set_take_the_place_of_the_files_validation_share()
    {
        var data = Reads.Good("data: { source: digits, split: { validation: 0.1, test: 0.2 } }\nmodel: { layers: [ linear: 10 ] }", "data.folds=5").Data;

        Assert.Equal((5, 0, 0.2), (data.Folds!.Value, data.Split!.Validation, data.Split.Test));
    }

    [Theory]
    [InlineData("mode: sync", TrainingMode.Sync, 0)]
    [InlineData("mode: sync, staleness: 0", TrainingMode.Sync, 0)]
    [InlineData("mode: stale", TrainingMode.Stale, TrainingOptions.DefaultStaleness)]
    [InlineData("mode: stale, staleness: 0", TrainingMode.Stale, 0)]
    [InlineData("mode: stale, staleness: 7", TrainingMode.Stale, 7)]
    [InlineData("mode: async", TrainingMode.Async, 0)]
    public void Modes(string text, TrainingMode mode, int staleness)
    {
        var training = Reads.Good(Reads.Minimal + $"training: {{ {text} }}").Training;

        Assert.Equal((mode, staleness), (training.Mode, training.Staleness));
    }

    [Fact]
    public void Local_steps_are_read_and_written_where_there_are_any()
    {
        Assert.Equal(8, Reads.Good(Reads.Minimal + "training: { local-steps: 8, accumulate: 2 }").Training.LocalSteps);
        Assert.Contains("local-steps: 8", ExperimentWriter.Write(Reads.Good(Reads.Minimal + "training: { local-steps: 8 }")), StringComparison.Ordinal);

        // Checkpoints of before know an experiment by its text.
        Assert.DoesNotContain("local-steps", ExperimentWriter.Write(Reads.Good(Reads.Minimal)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", EarlyStoppingMetric.ValidationLoss, 5, true)]
    [InlineData("{ metric: validation-accuracy, patience: 2, restore-best: false }", EarlyStoppingMetric.ValidationAccuracy, 2, false)]
    public void Early_stopping_and_accumulation_are_read(string text, EarlyStoppingMetric metric, int patience, bool restore)
    {
        var training = Reads.Good(Reads.Minimal + $"training: {{ accumulate: 4, early-stopping: {text} }}").Training;

        Assert.Equal(4, training.Accumulate);
        Assert.Equal(new EarlyStoppingOptions { Metric = metric, Patience = patience, RestoreBest = restore }, training.EarlyStopping);
    }
}
