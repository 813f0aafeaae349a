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
        Gen.Double[0.001, 1000].Select(static factor => new PreprocessOptions(PreprocessKind.Scale, factor)),
        Gen.Int[1, 30].Select(static degree => new PreprocessOptions(PreprocessKind.Polynomial) { Degree = degree }),
        Text.Array[1, 3].Select(static columns => new PreprocessOptions(PreprocessKind.OneHot) { Columns = [.. columns.Distinct()] }));

    private static readonly Gen<AugmentOptions> Augment = Gen.OneOf(
        Gen.Int[1, 1000].Select(static pixels => new AugmentOptions(AugmentKind.Shift, pixels)),
        Gen.Const(new AugmentOptions(AugmentKind.Flip)),
        Gen.Select(One(AugmentKind.Rotate, AugmentKind.Noise, AugmentKind.ScaleJitter), Gen.Double[0.001, 0.99], static (kind, amount) => new AugmentOptions(kind, amount)));

    private static readonly Gen<DataOptions> Data = Gen.Select(
        Gen.Select(Text, Optional(Text), One<TargetTask?>([null, TargetTask.Classification, TargetTask.Regression])),
        Gen.Select(Split, Gen.Int[0, 3], Gen.Int[2, 1000], Text, Optional(Text)),
        Gen.Select(One<ImageOptions?>([null, new(1, 8, 8), new(3, 32, 24)]), Preprocess.Array[0, 4], Augment.Array[0, 3], Flag),
        static (source, rows, row) => new DataOptions
        {
            Source = source.Item1,
            Target = source.Item2,
            Task = source.Item3,
            Split = Without(rows.Item1, rows.Item2 > 1, rows.Item5 is not null),
            Folds = rows.Item2 == 2 ? rows.Item3 : null,
            Fold = rows.Item2 == 2 && rows.Item3 % 2 == 0 ? rows.Item3 / 2 : null,
            TrainingShare = rows.Item3 / 1000.0,
            ValidationSource = rows.Item2 == 3 ? rows.Item4 : null,
            TestSource = rows.Item5,
            Image = row.Item1,
            Preprocess = [.. row.Item2],
            Augment = [.. row.Item3],
            Shuffle = row.Item4,
            Separator = rows.Item3 % 3 == 0 ? null : ";\t' "[rows.Item3 % 4],
            Quote = rows.Item3 % 5 == 0 ? '\'' : '"',
            Missing = (MissingPolicy)(rows.Item3 % 3),
        });

    private static readonly Gen<LayerOptions> Layer = Layers(depth: 2);

    private static readonly Gen<WeightOptions> Weights = Gen.OneOf(
        One(WeightKind.He, WeightKind.Glorot, WeightKind.Xavier, WeightKind.Zeros).Select(static kind => new WeightOptions(kind)),
        Gen.Select(One(WeightKind.Normal, WeightKind.Uniform), Positive, static (kind, scale) => new WeightOptions(kind, scale)));

    private static readonly Gen<ModelOptions> Model = Gen.Select(
        Weights, Layer.Array[0, 6], Gen.Int[1, 100], Optional(Text), One(0, -0.1, 0.01, 3),
        static (weights, layers, outputs, from, bias) => new ModelOptions
        {
            From = from,
            Init = new InitOptions { Weights = weights, Bias = bias },
            Layers = [.. layers, new LinearOptions(outputs)],
        });

    private static readonly Gen<ScheduleOptions> Schedule = Gen.OneOf<ScheduleOptions>(
        Gen.Const<ScheduleOptions>(new ConstantScheduleOptions()),
        Gen.Select(Gen.Long[1, long.MaxValue], Gen.Double[0.01, 0.99], static (every, factor) => (ScheduleOptions)new StepScheduleOptions(every, factor)),
        Gen.Double[0.01, 0.99].Select(static factor => (ScheduleOptions)new ExponentialScheduleOptions(factor)),
        Positive.Select(static decay => (ScheduleOptions)new InverseTimeScheduleOptions(decay)),
        Gen.Select(One<long?>([null, 1, 1000]), One(0, 1e-13), static (steps, minimum) => (ScheduleOptions)new CosineScheduleOptions(steps, minimum)),
        Gen.Select(Gen.Long[1, 1000], One<long?>([null, 1001, 5000]), One(0, 1e-13), static (warmup, steps, minimum) => (ScheduleOptions)new WarmupCosineScheduleOptions(warmup, steps, minimum)),
        Gen.Select(Positive, Gen.Double[1.5, 1000], One<long?>([null, 2, 100]), static (from, ratio, steps) => (ScheduleOptions)new RangeTestScheduleOptions(from, from * ratio, steps)),
        Gen.Select(
            Gen.Double[0.01, 0.99], Gen.Int[0, 100], BelowOne, One(0, 1e-13),
            static (factor, patience, threshold, minimum) => (ScheduleOptions)new ReduceOnPlateauScheduleOptions(factor, patience, threshold, minimum)));

    private static readonly Gen<OptimizerOptions> Optimizer = Gen.Select(
        Gen.Select(Gen.Enum<OptimizerKind>(), Positive, Positive, Positive, Flag, Flag),
        Gen.Select(One<double?>([null, 0.5, 1]), One<double?>([null, 0.1, 10]), Schedule),
        Gen.Select(BelowOne, BelowOne, Positive),
        static (rule, more, own) => Own(
            new OptimizerOptions
            {
                Kind = rule.Item1,
                LearningRate = rule.Item2,
                WeightDecay = rule.Item3,
                L1 = rule.Item4,
                L1Zeros = rule.Item6,
                DecayBiases = rule.Item5,
                ClipNorm = more.Item1,
                ClipValue = more.Item2,
                Schedule = more.Item3,
            },
            own));

    private static readonly Gen<TrainingOptions> Training = Gen.Select(
        Gen.Select(Gen.Int[1, 1_000_000], Gen.Long[1, long.MaxValue], Flag), Gen.Int[64, 100_000], Gen.Int[1, 64], Gen.Int[1, 100], Gen.Select(Gen.Enum<LastBatch>(), Gen.Enum<NonFiniteStep>()),
        Gen.Select(Flag, Gen.Enum<EarlyStoppingMetric>(), Gen.Int[1, 50], Flag, Gen.Enum<TrainingMode>(), Gen.Int[0, 20]),
        static (length, batch, shards, accumulate, last, stopping) => new TrainingOptions
        {
            Mode = stopping.Item5,
            Staleness = stopping.Item5 == TrainingMode.Stale ? stopping.Item6 : 0,
            Epochs = length.Item3 ? null : length.Item1,
            Steps = length.Item3 ? length.Item2 : null,
            PauseAfter = stopping.Item5 == TrainingMode.Sync && batch % 3 == 0 && (length.Item3 || length.Item1 > 1) ? 1 + (length.Item3 ? accumulate : length.Item1 / 2 - 1) : null,
            BatchSize = batch,
            Shards = shards,
            Accumulate = accumulate,
            LocalSteps = stopping.Item5 == TrainingMode.Sync && shards % 5 == 0 ? 1 + (accumulate % 7) : 1,
            LastBatch = last.Item1,
            NonFinite = last.Item2,
            Compression = stopping.Item5 != TrainingMode.Sync ? new CompressionOptions(CompressionKind.None)
                : shards % 5 == (int)CompressionKind.TopK ? new CompressionOptions(CompressionKind.TopK, accumulate / 101.0)
                : new CompressionOptions((CompressionKind)(shards % 5)),
            EarlyStopping = stopping.Item1 ? new EarlyStoppingOptions { Metric = stopping.Item2, Patience = stopping.Item3, RestoreBest = stopping.Item4 } : null,
        });

    private static readonly Gen<ClusterOptions> Cluster = Gen.Select(
        Gen.Int[8, 1024], Gen.Int[1, 8], Gen.Int[8, 1024], Gen.Int[1, 8], Gen.Int[0, 100], Gen.Enum<TransportKind>(), Gen.Enum<OverlapKind>(), Gen.Select(Gen.Enum<PlacementKind>(), Gen.Enum<TimelineKind>()),
        static (workers, servers, partitions, minimum, restarts, transport, overlap, others) => new ClusterOptions
        {
            Workers = workers,
            Servers = servers,
            Partitions = partitions,
            MinimumWorkers = minimum,
            MaxRestarts = restarts,
            Overlap = overlap,
            Placement = others.Item1,
            Timeline = others.Item2,
            Transport = transport,
        });

    private static readonly Gen<CheckpointOptions> Checkpoint = Gen.Select(
        One<long?>([null, 1, 100, long.MaxValue]), One<double?>([null, 0.25, 30, 1e9]), Gen.Int[1, 100],
        static (steps, seconds, keep) => new CheckpointOptions { EverySteps = steps, EverySeconds = seconds, Keep = keep });

    private static readonly Gen<TuneRange> Range = Gen.OneOf<TuneRange>(
        Gen.Select(One("a", "model.layers.0.linear", "it's", "a: b", "null"), One<ValueList<string>>(["1"], ["adam", "{kind: sgd}"], ["[1, 'x']", "''", "null"]), static (key, values) => (TuneRange)new ChoiceRange(key, values)),
        Gen.Select(One("b", "optimizer.learning-rate"), Positive, Gen.Int[2, 9], Flag, static (key, from, points, log) =>
            (TuneRange)new NumberRange(key, from, from * points, log ? RangeScale.Log : RangeScale.Linear, false, points)),
        Gen.Select(One("c", "training.batch-size"), Gen.Int[-5, 5], Gen.Int[6, 9], static (key, from, to) => (TuneRange)new NumberRange(key, from, to, Whole: true)));

    private static readonly Gen<TuneOptions?> Tune = Gen.OneOf(
        One<TuneOptions?>([null]),
        Gen.Select(Gen.Enum<SearchKind>(), One<int?>([null, 1, 20]), Flag, Range.Array[0, 4], static (search, trials, accuracy, ranges) => (TuneOptions?)new TuneOptions
        {
            Search = search,
            Trials = trials,
            Metric = accuracy ? EarlyStoppingMetric.ValidationAccuracy : EarlyStoppingMetric.ValidationLoss,
            Halving = trials == 20 ? new HalvingOptions { Factor = 2 + ranges.Length, FirstEpochs = 1 + (ranges.Length * 7) } : null,
            Ranges = [.. ranges.DistinctBy(static range => range.Key)],
        }));

    private static readonly Gen<string> Name = Gen.OneOf(One("null", "12", "-", "_", "true", "1e5", "größe", "a.b"), Gen.Char.AlphaNumeric.Array[1, 20].Select(static letters => new string(letters)));

    /// <summary>Experiment number <paramref name="seed"/>: the same one always.</summary>
    public static Experiment Number(uint seed) =>
        Gen.Select(Name, Gen.ULong, Data, Model, Gen.Select(Optimizer, Training, Cluster, Tune, Checkpoint), static (name, key, data, model, run) =>
        {
            // Where a task is named, or an embedded set names it, the reader fills the loss in.
            var loss = data is { Task: null, Source: not "digits" } && key % 13 == 0 ? null : Loss(data.Task, key);
            return new Experiment
            {
                Name = name,
                Seed = key,
                Data = data,
                Model = model,
                Loss = loss,
                Optimizer = run.Item1,
                Training = Possible(run.Item2, data, loss),
                Cluster = run.Item3,
                Checkpoint = run.Item5,
                Tune = run.Item4 is { } tune && IsNumber(loss) ? tune with { Metric = EarlyStoppingMetric.ValidationLoss } : run.Item4,
            };
        }).Generate(new PCG(seed, 1), null, out _);

    private static Gen<T> One<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(place => values[place]);

    private static Gen<string?> Optional(Gen<string> text) => Gen.OneOf(One<string?>([null]), text.Select(static value => (string?)value));

    private static Gen<LayerOptions> Layers(int depth)
    {
        Gen<LayerOptions>[] plain =
        [
            Gen.Select(Gen.Int[1, 1_000_000], Flag, static (outputs, bias) => (LayerOptions)new LinearOptions(outputs, bias)),
            Gen.Select(BelowOne, Positive, Flag, static (momentum, epsilon, sync) => (LayerOptions)new BatchNormOptions(momentum, epsilon, sync)),
            Positive.Select(static epsilon => (LayerOptions)new LayerNormOptions(epsilon)),
            BelowOne.Select(static rate => (LayerOptions)new DropoutOptions(rate)),
            Gen.Enum<ActivationKind>().Where(static kind => kind is not (ActivationKind.LeakyRelu or ActivationKind.Elu)).Select(static kind => (LayerOptions)new ActivationOptions(kind)),
            BelowOne.Select(static slope => (LayerOptions)new ActivationOptions(ActivationKind.LeakyRelu, slope)),
            Positive.Select(static alpha => (LayerOptions)new ActivationOptions(ActivationKind.Elu, alpha)),
            Gen.Select(
                Gen.Int[1, 1000], Gen.Int[1, 9], Gen.Int[1, 4], Gen.Int[0, 4], Flag,
                static (outputs, kernel, stride, padding, bias) => (LayerOptions)new Conv2dOptions(outputs, kernel, stride, padding, bias)),
            Gen.Select(Gen.Int[1, 9], Gen.Int[1, 9], static (kernel, stride) => (LayerOptions)new MaxPool2dOptions(kernel, stride)),
            Gen.Select(Gen.Int[1, 9], Gen.Int[1, 9], static (kernel, stride) => (LayerOptions)new AvgPool2dOptions(kernel, stride)),
            Gen.Select(Positive, Text, Gen.Enum<OwnWay>(), static (rate, name, way) => (LayerOptions)new OwnLayer(rate, name, way)),
            One<LayerOptions>(new GlobalAvgPool2dOptions(), new FlattenOptions()),
        ];
        if (depth == 0)
        {
            return Gen.OneOf(plain);
        }

        var below = Layers(depth - 1);
        return Gen.OneOf([.. plain, Gen.Select(below.Array[1, 3], below.Array[0, 2], static (layers, shortcut) => (LayerOptions)new ResidualOptions([.. layers], [.. shortcut]))]);
    }

    private static LossOptions Loss(TargetTask? task, ulong key)
    {
        LossKind[] numbers = [LossKind.MeanSquaredError, LossKind.MeanAbsoluteError, LossKind.Huber];
        var kinds = task switch
        {
            TargetTask.Regression => numbers,
            TargetTask.Classification => [.. Enum.GetValues<LossKind>().Except(numbers)],
            _ => Enum.GetValues<LossKind>(),
        };
        var kind = kinds[(int)(key % (ulong)kinds.Length)];
        return kind switch
        {
            LossKind.CrossEntropy => new LossOptions(kind, LabelSmoothing: key % 10 / 10.0) { ClassWeights = ClassWeights(key) },
            LossKind.Huber => new LossOptions(kind, Delta: (key % 100 / 10.0) + 0.1),
            _ => new LossOptions(kind),
        };
    }

    // Rows that folds or a file of their own give are not in the split.
    private static SplitOptions? Without(SplitOptions? split, bool validation, bool test) =>
        split is null ? null : split with { Validation = validation ? 0 : split.Validation, Test = test ? 0 : split.Test };

    private static ClassWeightOptions? ClassWeights(ulong key) => (key % 4) switch
    {
        0 => null,
        1 => new ClassWeightOptions(),
        _ => new ClassWeightOptions { Weights = [new("it's: a class", 0.5), new("1", key % 100 + 1.0)] },
    };

    private static bool IsNumber(LossOptions? loss) => loss?.Kind is LossKind.MeanSquaredError or LossKind.MeanAbsoluteError or LossKind.Huber;

    // Early stopping needs validation rows, and numbers have no accuracy.
    private static TrainingOptions Possible(TrainingOptions training, DataOptions data, LossOptions? loss)
    {
        var watched = data.Folds is not null || data.ValidationSource is not null || data.Split?.Validation > 0;
        var numbers = IsNumber(loss);
        return training with
        {
            EarlyStopping = !watched ? null : numbers && training.EarlyStopping is { } stopping ? stopping with { Metric = EarlyStoppingMetric.ValidationLoss } : training.EarlyStopping,
        };
    }

    // What a kind does not use keeps its default: it is not in the file.
    private static OptimizerOptions Own(OptimizerOptions options, (double A, double B, double Positive) own) => options.Kind switch
    {
        OptimizerKind.Momentum or OptimizerKind.Nesterov => options with { Momentum = own.A },
        OptimizerKind.Rmsprop => options with { Decay = own.A, Epsilon = own.Positive },
        OptimizerKind.Adagrad => options with { Epsilon = own.Positive },
        OptimizerKind.Adam or OptimizerKind.Adamw => options with { Beta1 = own.A, Beta2 = own.B, Epsilon = own.Positive },
        _ => options,
    };
}
