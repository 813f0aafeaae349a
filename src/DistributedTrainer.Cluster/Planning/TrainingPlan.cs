using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// All that follows from an experiment and its data: every node builds it for itself and gets the same. Immutable, but for how this node connects.
/// </summary>
internal sealed class TrainingPlan
{
    // A message of the control plane stays far below its limit.
    private const int MostTensors = 128;

    private readonly FixedTree _tree;
    private readonly Schedule _rates;
    private readonly Rounds _rounds;
    private StartingWeights? _start;

    private TrainingPlan(Experiment experiment, PreparedData data, ulong token)
    {
        Experiment = experiment;
        Data = data;
        Token = token;
        var (training, optimizer) = (experiment.Training, experiment.Optimizer);
        Schedule = new LeafSchedule(
            data.Training.Rows, training.BatchSize * training.Accumulate, training.Shards, training.LastBatch == LastBatch.Keep, experiment.Data.Shuffle, experiment.Seed);
        TotalSteps = training.Steps ?? (training.Epochs ?? 1) * Schedule.StepsPerEpoch;
        _rounds = new Rounds(Schedule, training.LocalSteps, TotalSteps);
        var input = experiment.Model.Layers.Any(EngineParts.NeedsImages) ? data.InputShape : new Shape(data.InputShape.Elements);
        Definition = new ModelDefinition(input, [.. experiment.Model.Layers.Select(EngineParts.LayerOf)], EngineParts.WeightsOf(experiment.Model.Init.Weights));
        Model = new Model(Definition);
        Loss = EngineParts.LossOf(experiment.Loss!, data.Dataset.ClassNames);
        Optimizer = EngineParts.OptimizerOf(optimizer);
        Codec = EngineParts.CodecOf(training.Compression);
        Augmentation = EngineParts.AugmentationOf(experiment.Data);
        Plateau = EngineParts.PlateauOf(optimizer.Schedule);
        _rates = EngineParts.ScheduleOf(optimizer.Schedule, TotalSteps);
        Ranges = PartitionMap.Cut(Model.Layout, experiment.Cluster.Partitions, optimizer.DecayBiases);
        _tree = new FixedTree(training.Shards);
    }

    /// <summary>With a loss, also where its file names none.</summary>
    public Experiment Experiment { get; private set; }

    public PreparedData Data { get; }

    /// <summary>Names the run on the data plane, and lets nodes in there: not to be written anywhere.</summary>
    public ulong Token { get; }

    /// <summary>What this node shows where it connects to others; nothing that follows from the experiment.</summary>
    public NodeCertificates? Certificates { get; set; }

    public LeafSchedule Schedule { get; }

    public long TotalSteps { get; }

    public ModelDefinition Definition { get; }

    public Model Model { get; }

    public Loss Loss { get; }

    public Optimizer Optimizer { get; }

    public IReadOnlyList<PartitionRange> Ranges { get; }

    public int Shards => Schedule.Shards;

    /// <summary>Rows of a step: training.accumulate batches.</summary>
    public int BatchSize => Schedule.Batch;

    /// <summary>
    /// Rows that a worker computes at once, at most: of accumulated batches as many as one has, so that its memory does not
    /// grow with their number; but whole leaves. One leaf, where each has parameters of its own.
    /// </summary>
    public int PassRows => Math.Max(IsAveraged ? 1 : Experiment.Training.BatchSize, (BatchSize + Shards - 1) / Shards);

    /// <summary>The same for one of so many threads, between which a worker's leaves are divided evenly.</summary>
    public int PassRowsOf(int threads) => (int)Math.Min(PassRows, ((Shards + threads - 1L) / threads) * ((BatchSize + Shards - 1) / Shards));

    /// <summary>The greatest norm of the mean gradient; null: any.</summary>
    public double? ClipNorm => Experiment.Optimizer.ClipNorm;

    /// <summary>Whether that is the norm of whole steps, of which no partition and no worker has all.</summary>
    public bool ClipsWholeSteps => ClipNorm is not null && !IsLoose && !IsAveraged;

    public ulong Seed => Experiment.Seed;

    /// <summary>How gradients are made smaller; null: they are not.</summary>
    public GradientCodec? Codec { get; }

    /// <summary>
    /// What was not sent yet of each shard's gradients: vectors of the state that go with shards, behind those of the
    /// optimizer. 0: all is sent.
    /// </summary>
    public int ResidualVectors => Codec?.HasResidual == true ? Shards : 0;

    /// <summary>Whether shards move to faster workers. Where a move costs the steps since the last checkpoint, a slow worker costs less.</summary>
    public bool PlacesBySpeed => ResidualVectors == 0 && Experiment.Cluster.Placement == PlacementKind.BySpeed;

    /// <summary>Vectors of a run's state beside the parameters.</summary>
    public int StateVectors => Optimizer.StateVectors + ResidualVectors;

    /// <summary>
    /// Whether shards take steps by themselves, and what they have come to is averaged; otherwise gradients are, step by step.
    /// </summary>
    public bool IsAveraged => Experiment.Training.LocalSteps > 1;

    /// <summary>
    /// Whether a worker may compute with a version where its server keeps it, and give it back with its gradients. Not where it
    /// changes parameters itself, nor where it gets versions of its own, which it could not have again.
    /// </summary>
    public bool IsReadInPlace => !IsLoose && !IsAveraged;

    /// <summary>Vectors of the optimizer's state that are averaged, and travel, with the parameters.</summary>
    public int AveragedVectors => IsAveraged ? Optimizer.StateVectors : 0;

    /// <summary>How training rows are varied; empty: not at all.</summary>
    public AugmentStep[] Augmentation { get; }

    /// <summary>How the learning rate follows the validation loss; null: it does not.</summary>
    public ReduceOnPlateau? Plateau { get; }

    public EarlyStoppingOptions? EarlyStopping => Experiment.Training.EarlyStopping;

    /// <summary>Whether the best version is kept, to go back to it at the end.</summary>
    public bool RestoresBest => EarlyStopping is { RestoreBest: true };

    /// <summary>Whether a step that is not finite is left out, instead of ending the run.</summary>
    public bool SkipsNonFinite => Experiment.Training.NonFinite == NonFiniteStep.Skip;

    /// <summary>Parameters of version 0 that come from a file; null: they follow from the seed.</summary>
    public StartingWeights? Start => _start;

    /// <summary>SHA-256 of everything that was read from files: shows whether two nodes read the same.</summary>
    public string InputsSha256 => _start is null ? Data.Dataset.Sha256 : $"{Data.Dataset.Sha256}+{_start.Sha256}";

    /// <summary>The rows over which dead and saturated units are counted: those of each evaluation, or of the last one where nothing is held back for validation.</summary>
    public Subset UnitRows => Data.Validation.Rows > 0 ? Data.Validation : Data.Test;

    public bool IsClassification => Data.Dataset.Task == DataTask.Classification;

    /// <summary>
    /// Where steps overlap with what travels. Not where a step is computed in several passes, or has parameters that no other
    /// has; nor where what travels is small, and is no use before all of it is there.
    /// </summary>
    public OverlapKind Overlap => IsLoose || IsAveraged || Codec is not null || Experiment.Training.Accumulate > 1 ? OverlapKind.Never : Experiment.Cluster.Overlap;

    /// <summary>Steps whose course is recorded.</summary>
    public TimelineWindow TimelineWindow => new(Experiment.Cluster.Timeline, TotalSteps);

    public string Transport => Experiment.Cluster.Transport switch
    {
        TransportKind.InProcess => "in-process",
        TransportKind.SharedMemory => "shared-memory",
        TransportKind.Unix => "unix",
        TransportKind.Tcp => "tcp",
        _ => "auto",
    };

    /// <summary>Builds the plan, or says all that is wrong with the experiment's data.</summary>
    public static TrainingPlan? Create(Experiment experiment, string baseDirectory, ulong token, ICollection<string> problems)
    {
        UnbuiltOptions.Find(experiment, problems);
        if (problems.Count > 0)
        {
            return null;
        }

        var dataset = DatasetReader.Read(EngineParts.SourcesOf(experiment.Data), baseDirectory, problems);
        if (dataset is null)
        {
            return null;
        }

        experiment = EngineParts.WithLoss(experiment, dataset.Task);
        if (experiment.Data.Image is { } image)
        {
            if ((long)image.Channels * image.Height * image.Width != dataset.FeatureCount)
            {
                problems.Add($"data.image: {image.Channels}x{image.Height}x{image.Width} does not fit the {dataset.FeatureCount} features of {dataset.Name}. Choose channels, height and width whose product is {dataset.FeatureCount}.");
                return null;
            }

            dataset = dataset.WithShape(image.Channels, image.Height, image.Width);
        }

        if (RowSplit.Of(experiment, dataset, problems) is not { } split)
        {
            return null;
        }

        PlanProblems.Find(experiment, dataset, split, problems);
        if (problems.Count > 0 || PreparedData.Create(dataset, split, EngineParts.PreprocessingOf(experiment.Data), problems) is not { } data)
        {
            return null;
        }

        return Create(
            experiment, data, token, model => experiment.Model.From is { } from ? StartingWeights.Read(model, from, baseDirectory, problems) : null, problems);
    }

    /// <summary>Builds the plan from data that is prepared already.</summary>
    /// <param name="experiment">With its loss.</param>
    /// <param name="data">Split and preprocessed as the experiment says.</param>
    /// <param name="token">Names the run.</param>
    /// <param name="start">Reads the starting weights of the model; null: it has none.</param>
    /// <param name="problems">Receives what is wrong.</param>
    public static TrainingPlan? Create(Experiment experiment, PreparedData data, ulong token, Func<Model, StartingWeights?> start, ICollection<string> problems)
    {
        TrainingPlan plan;
        try
        {
            plan = new TrainingPlan(EngineParts.WithClassWeights(experiment, data), data, token);
        }
        catch (ArgumentException problem)
        {
            problems.Add($"model.layers: {problem.Message}");
            return null;
        }

        PlanProblems.FindInModel(plan, problems);
        plan._start = start(plan.Model);
        return problems.Count == 0 ? plan : null;
    }

    /// <summary>The same data, model and schedule with what may be changed while a run goes on; see <see cref="RunSettings"/>.</summary>
    public TrainingPlan With(Experiment experiment)
    {
        var changed = (TrainingPlan)MemberwiseClone();
        changed.Experiment = experiment;
        return changed;
    }

    /// <summary>As above, by what is different from this plan; null or empty: nothing.</summary>
    public TrainingPlan With(string[]? settings) => settings is null or [] ? this : With(RunSettings.With(Experiment, settings));

    /// <summary>The parameters and running statistics of version 0.</summary>
    public void Initialize(Span<float> parameters, Span<float> buffers)
    {
        if (_start is null)
        {
            Model.Initialize(parameters, buffers, Seed);
        }
        else
        {
            _start.Parameters.CopyTo(parameters);
            _start.Buffers.CopyTo(buffers);
        }
    }

    /// <summary>The rate of a step after so many reductions by reduce-on-plateau.</summary>
    public float LearningRate(long step, int reductions)
    {
        var initial = Experiment.Optimizer.LearningRate;
        return (float)(Plateau?.Rate(initial, reductions) ?? _rates.Rate(initial, step));
    }

    /// <summary>Whether each push is an update of its own, instead of each step.</summary>
    public bool IsLoose => Experiment.Training.Mode != TrainingMode.Sync;

    /// <summary>What the optimizer is told of a step for parameters that regularisation touches, or does not.</summary>
    public OptimizerStep StepOf(long step, int reductions, long rows, bool decays, float scale = 1)
    {
        var options = Experiment.Optimizer;
        return new OptimizerStep(step, LearningRate(step, reductions), rows)
        {
            WeightDecay = decays ? (float)options.WeightDecay : 0,
            L1 = decays ? (float)options.L1 : 0,
            L1Zeros = decays && options.L1Zeros,
            ClipValue = (float)(options.ClipValue ?? double.PositiveInfinity),
            GradientScale = scale,
        };
    }

    /// <summary>The version that a step leads to, or all of those that shards take by themselves.</summary>
    public long After(long version) => _rounds.After(version);

    /// <summary>Whether there is a version with so many steps behind it, so that the next step is the first after it.</summary>
    public bool IsVersion(long step) => _rounds.Begins(step);

    /// <summary>Rows of a shard from a version to the next; 0: it has no leaf there.</summary>
    public int LeafRows(long version, int shard) => _rounds.Rows(version, shard);

    /// <summary>Floats of what is pushed to a partition, and of what it publishes: parameters, and behind them the state that is averaged.</summary>
    public int WidthOf(PartitionRange range) => range.Length * (1 + AveragedVectors);

    /// <summary>Floats of what a partition publishes: in the first one the running statistics are behind the rest.</summary>
    public int VersionLength(PartitionRange range) => WidthOf(range) + (range.Id == 0 ? Model.Buffers.Length : 0);

    /// <summary>Rows of all leaves under a node from a version to the next.</summary>
    public int RowsUnder(long step, TreeNode node)
    {
        var rows = 0;
        if (_tree.Contains(node) && step >= 0 && step < TotalSteps)
        {
            for (var shard = node.FirstLeaf; shard < _tree.EndLeaf(node); shard++)
            {
                rows += LeafRows(step, shard);
            }
        }

        return rows;
    }

    /// <summary>Rows from a version to the next.</summary>
    public int RowsAfter(long version) => RowsUnder(version, _tree.Root);

    /// <summary>Rows of a step.</summary>
    public int RowsIn(long step) => step >= 0 && step < TotalSteps ? Schedule.GlobalRows(step) : 0;

    /// <summary>Whether version v is evaluated: after each epoch where there are validation rows, where the run pauses, and at the end.</summary>
    public bool EvaluatesAt(long version) =>
        version == TotalSteps || (version > 0 && version % Schedule.StepsPerEpoch == 0 && Data.Validation.Rows > 0) || PausesAt(version);

    /// <summary>Whether the run ends for now with version v, to be resumed: at the first end of an epoch that is late enough.</summary>
    public bool PausesAt(long version) =>
        Experiment.Training.PauseAfter is { } epochs && version < TotalSteps && version >= epochs * Schedule.StepsPerEpoch && version % Schedule.StepsPerEpoch == 0;

    /// <summary>
    /// Whether what the parameters of version v look like is written down: at the ends of epochs, but no more than about fifty
    /// times, and never more often than each tenth step, so that it costs nothing.
    /// </summary>
    public bool DescribesAt(long version)
    {
        var least = Math.Max(10, TotalSteps / 50);
        var interval = (least + Schedule.StepsPerEpoch - 1) / Schedule.StepsPerEpoch * Schedule.StepsPerEpoch;
        return version == TotalSteps || version % interval == 0;
    }

    /// <summary>How many tensors are described: the first ones of the layout.</summary>
    public int DescribedTensors => Math.Min(MostTensors, Model.Layout.Slots.Count);

    /// <summary>
    /// Whether the norms of a step's gradient are written down with the description of its version. Where each push is an update of
    /// its own, or shards take steps by themselves, nobody has the gradient of a step.
    /// </summary>
    public bool MeasuresAt(long step) => step < TotalSteps && !IsLoose && !IsAveraged && DescribesAt(step);

    /// <summary>Whether the test rows are evaluated too: where the version may turn out to be the one that is kept.</summary>
    public bool EvaluatesTestAt(long version) => version == TotalSteps || EarlyStopping is not null;
}
