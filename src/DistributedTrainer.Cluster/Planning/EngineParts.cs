using DistributedTrainer.Data;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Experiments;
using AugmentKind = DistributedTrainer.Data.AugmentKind;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>What the names of an experiment stand for in the engine and in the data room.</summary>
internal static class EngineParts
{
    /// <summary>The experiment with a loss: where it names none, that of the task.</summary>
    public static Experiment WithLoss(Experiment experiment, DataTask task) =>
        experiment.Loss is null ? experiment with { Loss = LossOptions.DefaultFor(Same<TargetTask>(task)) } : experiment;

    /// <summary>A new one each time: class weights are set on it.</summary>
    public static Loss LossOf(LossOptions loss) => loss.Custom is { } custom ? custom.Copy() : TrainingLoss.Create(ExperimentNames.Of(loss.Kind), (float)loss.LabelSmoothing, (float)loss.Delta);

    /// <summary>How gradients are made smaller; null: they are not.</summary>
    public static GradientCodec? CodecOf(CompressionOptions compression) => compression.Kind switch
    {
        CompressionKind.Float16 => new Float16Codec(),
        CompressionKind.Bfloat16 => new BFloat16Codec(),
        CompressionKind.Int8 => new Int8Codec(),
        CompressionKind.TopK => new TopKCodec(compression.Share),
        _ => null,
    };

    /// <summary>The loss with the weights of these classes in their order.</summary>
    public static Loss LossOf(LossOptions loss, IReadOnlyList<string> classes)
    {
        var made = LossOf(loss);
        if (loss.ClassWeights is { } weights)
        {
            made.ClassWeights = [.. classes.Select(name => (float)(weights.Weights.FirstOrDefault(weight => weight.Class == name)?.Weight ?? 1))];
        }

        return made;
    }

    /// <summary>The experiment with numbers in the place of balanced class weights: N / (K · n) for a class with n of the N training rows.</summary>
    public static Experiment WithClassWeights(Experiment experiment, PreparedData data)
    {
        if (experiment.Loss is not { ClassWeights.Weights.Count: 0 } loss || data.Dataset.ClassNames.Count == 0)
        {
            return experiment;
        }

        var (names, rows) = (data.Dataset.ClassNames, new long[data.Dataset.ClassNames.Count]);
        for (var row = 0; row < data.Training.Rows; row++)
        {
            rows[data.Training.Label(row)]++;
        }

        // A class without training rows is warned of; what it weighs does not matter.
        var weights = names.Select((name, c) => new ClassWeight(name, rows[c] == 0 ? 1 : (double)data.Training.Rows / (names.Count * rows[c])));
        return experiment with { Loss = loss with { ClassWeights = new ClassWeightOptions { Weights = [.. weights] } } };
    }

    public static Optimizer OptimizerOf(OptimizerOptions options) => options.Kind switch
    {
        OptimizerKind.Sgd => new Sgd(),
        OptimizerKind.Momentum => new Momentum((float)options.Momentum),
        OptimizerKind.Nesterov => new Nesterov((float)options.Momentum),
        OptimizerKind.Rmsprop => new RmsProp((float)options.Decay, (float)options.Epsilon),
        OptimizerKind.Adagrad => new AdaGrad((float)options.Epsilon),
        OptimizerKind.Adam => new Adam((float)options.Beta1, (float)options.Beta2, (float)options.Epsilon),
        OptimizerKind.Adamw => new AdamW((float)options.Beta1, (float)options.Beta2, (float)options.Epsilon),
        _ => throw new ArgumentException($"optimizer.kind: {ExperimentNames.Of(options.Kind)} is not built."),
    };

    /// <summary>The schedule by step; that of reduce-on-plateau is constant, see <see cref="PlateauOf"/>.</summary>
    /// <param name="options">As in the experiment.</param>
    /// <param name="totalSteps">Steps of the run: the length of a cosine that names none.</param>
    public static Schedule ScheduleOf(ScheduleOptions options, long totalSteps) => options switch
    {
        ConstantScheduleOptions or ReduceOnPlateauScheduleOptions => new ConstantSchedule(),
        StepScheduleOptions step => new StepSchedule(step.Every, step.Factor),
        ExponentialScheduleOptions exponential => new ExponentialSchedule(exponential.Factor),
        InverseTimeScheduleOptions inverse => new InverseTimeSchedule(inverse.Decay),
        CosineScheduleOptions cosine => new CosineSchedule(cosine.Steps ?? totalSteps, cosine.Minimum),
        RangeTestScheduleOptions test => new RangeTestSchedule(test.From, test.To, test.Steps ?? totalSteps),
        WarmupCosineScheduleOptions warmup => new WarmupCosineSchedule(warmup.Warmup, warmup.Steps ?? totalSteps, warmup.Minimum),
        _ => throw new ArgumentException($"optimizer.schedule: {options} is not built."),
    };

    public static ReduceOnPlateau? PlateauOf(ScheduleOptions options) =>
        options is ReduceOnPlateauScheduleOptions plateau ? new ReduceOnPlateau(plateau.Factor, plateau.Patience, plateau.Threshold, Minimum: plateau.Minimum) : null;

    public static InitialWeights WeightsOf(WeightOptions options) => new(Same<InitialWeightsKind>(options.Kind), options.Scale);

    public static LayerDefinition LayerOf(LayerOptions options) => options switch
    {
        LinearOptions linear => new LinearDefinition(linear.Outputs, linear.Bias),
        BatchNormOptions norm => new BatchNormDefinition((float)norm.Momentum, (float)norm.Epsilon, norm.Sync),
        LayerNormOptions norm => new LayerNormDefinition((float)norm.Epsilon),
        ActivationOptions { Kind: ActivationKind.LeakyRelu } leaky => new ActivationDefinition(Activation.LeakyRelu, Slope: (float)leaky.Alpha),
        ActivationOptions { Kind: ActivationKind.Elu } elu => new ActivationDefinition(Activation.Elu, Alpha: (float)elu.Alpha),
        ActivationOptions activation => new ActivationDefinition(Same<Activation>(activation.Kind)),
        DropoutOptions dropout => new DropoutDefinition((float)dropout.Rate),
        Conv2dOptions conv => new Conv2dDefinition(conv.Outputs, conv.Kernel, conv.Stride, conv.Padding, conv.Bias),
        MaxPool2dOptions pool => new MaxPool2dDefinition(pool.Kernel, pool.Stride),
        AvgPool2dOptions pool => new AvgPool2dDefinition(pool.Kernel, pool.Stride),
        GlobalAvgPool2dOptions => new GlobalAvgPool2dDefinition(),
        FlattenOptions => new FlattenDefinition(),
        ResidualOptions residual => new ResidualDefinition(
            [.. residual.Layers.Select(LayerOf)], residual.Shortcut.Count == 0 ? null : [.. residual.Shortcut.Select(LayerOf)]),
        CustomLayerOptions custom => custom.Layer,
        _ => throw new ArgumentException($"model.layers: {ExperimentNames.Of(options)} is not built."),
    };

    /// <summary>Whether a layer works on images; otherwise rows are flat, whatever shape the data has.</summary>
    public static bool NeedsImages(LayerOptions options) => options switch
    {
        Conv2dOptions or MaxPool2dOptions or AvgPool2dOptions or GlobalAvgPool2dOptions or FlattenOptions => true,
        ResidualOptions residual => residual.Layers.Concat(residual.Shortcut).Any(NeedsImages),
        CustomLayerOptions custom => custom.Layer.TakesImages,
        _ => false,
    };

    public static DataSources SourcesOf(DataOptions options) => new(options.Source)
    {
        Validation = options.ValidationSource,
        Test = options.TestSource,
        Target = options.Target,
        Format = FormatOf(options),
        Image = options.Image is { } image ? (image.Channels, image.Height, image.Width) : null,
        Task = options.Task is { } task ? Same<DataTask>(task) : null,
        TextColumns = [.. options.Preprocess.SelectMany(static step => step.Columns)],
    };

    public static TableFormat FormatOf(DataOptions options) =>
        new() { Separator = options.Separator, Quote = options.Quote, Missing = Same<MissingValues>(options.Missing) };

    public static IEnumerable<PreprocessingStep> PreprocessingOf(DataOptions options) =>
        (options.Missing == MissingPolicy.Mean ? (IEnumerable<PreprocessingStep>)[new PreprocessingStep(PreprocessStep.FillMissing)] : []).Concat(options.Preprocess.Select(static step => new PreprocessingStep(Same<PreprocessStep>(step.Kind)) { Factor = step.Factor, Degree = step.Degree, Columns = step.Columns }));

    public static AugmentStep[] AugmentationOf(DataOptions options) =>
        [.. options.Augment.Select(static step => new AugmentStep(Same<AugmentKind>(step.Kind), step.Amount))];

    // The rooms name the same things in the same way; a name that only one of them has fails here, in a test of all names.
    private static T Same<T>(Enum value)
        where T : struct, Enum => Enum.Parse<T>(value.ToString());
}
