using CsCheck;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>Experiments of every kind that the file can say.</summary>
internal static class RandomExperiments
{
    private static readonly Gen<bool> Flag = Gen.Bool;
    private static readonly Gen<double> Share = Gen.OneOf(Gen.Const(0.0), Gen.Double[1e-6, 0.49]);
    private static readonly Gen<double> BelowOne = Gen.OneOf(Gen.Const(0.0), Gen.Double[1e-6, 0.999]);
    private static readonly Gen<double> Positive = Gen.OneOf(Gen.Const(1e-8), Gen.Const(0.1), Gen.Double[1e-12, 1e6]);

    private static readonly Gen<string> Text = Gen.OneOf(
        One("digits", "null", "~", "true", "12", "it's", "a: b", "# no comment", " ", "- x", "{}", "*a", "&a", "!t", "\"", "\\n", "a\tb", "a\nb", "\u0001", "größe", "木", "😀", "\u2028"),
        Gen.Char[' ', '~'].Array[1, 12].Select(static letters => new string(letters)));

    private static readonly Gen<SplitOptions?> Split = Gen.OneOf(
        One<SplitOptions?>([null]),
        Gen.Select(Share, Share, Flag, static (validation, test, stratify) => (SplitOptions?)new SplitOptions { Validation = validation, Test = test, Stratify = stratify }));

    private static readonly Gen<PreprocessOptions> Preprocess = Gen.OneOf(
        One(PreprocessKind.Center, PreprocessKind.Standardize, PreprocessKind.MinMax).Select(static kind => new PreprocessOptions(kind)),
        Gen.Double[0.001, 1000].Select(static factor => new PreprocessOptions(PreprocessKind.Scale, factor)));

    private static readonly Gen<DataOptions> Data = Gen.Select(
        Text, Gen.OneOf(One<string?>([null]), Text.Select(static text => (string?)text)), One<TargetTask?>(null, TargetTask.Classification, TargetTask.Regression), Split, Preprocess.Array[0, 4], Flag,
        static (source, target, task, split, preprocess, shuffle) => new DataOptions
        {
            Source = source,
            Target = target,
            Task = task,
            Split = split,
            Preprocess = ValueList.Create<PreprocessOptions>(preprocess),
            Shuffle = shuffle,
        });

    private static readonly Gen<LayerOptions> Layer = Gen.OneOf<LayerOptions>(
        Gen.Select(Gen.Int[1, 1_000_000], Flag, static (outputs, bias) => (LayerOptions)new LinearOptions(outputs, bias)),
        Gen.Select(BelowOne, Positive, Flag, static (momentum, epsilon, sync) => (LayerOptions)new BatchNormOptions(momentum, epsilon, sync)),
        Gen.Enum<ActivationKind>().Select(static kind => (LayerOptions)new ActivationOptions(kind)),
        BelowOne.Select(static rate => (LayerOptions)new DropoutOptions(rate)));

    private static readonly Gen<WeightOptions> Weights = Gen.OneOf(
        One(WeightKind.He, WeightKind.Glorot, WeightKind.Xavier, WeightKind.Zeros).Select(static kind => new WeightOptions(kind)),
        Gen.Select(One(WeightKind.Normal, WeightKind.Uniform), Positive, static (kind, scale) => new WeightOptions(kind, scale)));

    private static readonly Gen<ModelOptions> Model = Gen.Select(
        Weights, Layer.Array[0, 6], Gen.Int[1, 100],
        static (weights, layers, outputs) => new ModelOptions { Init = new InitOptions { Weights = weights }, Layers = [.. layers, new LinearOptions(outputs)] });

    private static readonly Gen<OptimizerOptions> Optimizer = Gen.Select(
        Gen.Enum<OptimizerKind>(), Positive, Positive, Flag, Gen.Select(BelowOne, BelowOne, BelowOne, Positive),
        static (kind, rate, decay, biases, own) => Own(new OptimizerOptions { Kind = kind, LearningRate = rate, WeightDecay = decay, DecayBiases = biases }, own));

    private static readonly Gen<TrainingOptions> Training = Gen.Select(
        Gen.Int[1, 1_000_000], Gen.Long[1, long.MaxValue], Flag, Gen.Int[64, 100_000], Gen.Int[1, 64], Gen.Enum<LastBatch>(),
        static (epochs, steps, bySteps, batch, shards, last) => new TrainingOptions
        {
            Epochs = bySteps ? null : epochs,
            Steps = bySteps ? steps : null,
            BatchSize = batch,
            Shards = shards,
            LastBatch = last,
        });

    private static readonly Gen<ClusterOptions> Cluster = Gen.Select(
        Gen.Int[8, 1024], Gen.Int[1, 8], Gen.Int[8, 1024], Gen.Int[1, 8], Gen.Int[0, 100], Gen.Enum<TransportKind>(),
        static (workers, servers, partitions, minimum, restarts, transport) => new ClusterOptions
        {
            Workers = workers,
            Servers = servers,
            Partitions = partitions,
            MinimumWorkers = minimum,
            MaxRestarts = restarts,
            Transport = transport,
        });

    private static readonly Gen<string> Name = Gen.OneOf(One("null", "12", "-", "_", "true", "1e5", "größe", "a.b"), Gen.Char.AlphaNumeric.Array[1, 20].Select(static letters => new string(letters)));

    /// <summary>Experiment number <paramref name="seed"/>: the same one always.</summary>
    public static Experiment Number(uint seed) =>
        Gen.Select(Name, Gen.ULong, Data, Model, Gen.Select(Optimizer, Training, Cluster), static (name, key, data, model, run) => new Experiment
        {
            Name = name,
            Seed = key,
            Data = data,
            Model = model,
            Loss = data.Task == TargetTask.Regression || (data.Task is null && key % 2 == 0) ? LossKind.MeanSquaredError : LossKind.CrossEntropy,
            Optimizer = run.Item1,
            Training = run.Item2,
            Cluster = run.Item3,
        }).Generate(new PCG(seed, 1), null, out _);

    private static Gen<T> One<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(place => values[place]);

    // What a kind does not use keeps its default: it is not in the file.
    private static OptimizerOptions Own(OptimizerOptions options, (double A, double B, double C, double Positive) own) => options.Kind switch
    {
        OptimizerKind.Momentum => options with { Momentum = own.A },
        OptimizerKind.Adam => options with { Beta1 = own.B, Beta2 = own.C, Epsilon = own.Positive },
        _ => options,
    };
}
