using DistributedTrainer.Data;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// All that follows from an experiment and its data: every node builds it for itself and gets the same. Immutable.
/// </summary>
internal sealed class TrainingPlan
{
    private readonly FixedTree _tree;

    private TrainingPlan(Experiment experiment, PreparedData data, ulong token)
    {
        Experiment = experiment;
        Data = data;
        Token = token;
        var training = experiment.Training;
        Schedule = new LeafSchedule(
            data.Training.Rows, training.BatchSize, training.Shards, training.LastBatch == LastBatch.Keep, experiment.Data.Shuffle, experiment.Seed);
        TotalSteps = training.Steps ?? (training.Epochs ?? 1) * Schedule.StepsPerEpoch;
        Model = new Model(Define(experiment, data.Dataset));
        Loss = experiment.Loss.Kind switch
        {
            LossKind.CrossEntropy => new CrossEntropyLoss(),
            LossKind.MeanSquaredError => new MeanSquaredErrorLoss(),
            _ => throw new ArgumentException($"loss: {ExperimentNames.Of(experiment.Loss.Kind)} is not built."),
        };
        var optimizer = experiment.Optimizer;
        Optimizer = optimizer.Kind switch
        {
            OptimizerKind.Sgd => new Sgd(),
            OptimizerKind.Momentum => new Momentum((float)optimizer.Momentum),
            OptimizerKind.Adam => new Adam((float)optimizer.Beta1, (float)optimizer.Beta2, (float)optimizer.Epsilon),
            _ => throw new ArgumentException($"optimizer.kind: {ExperimentNames.Of(optimizer.Kind)} is not built."),
        };
        Ranges = PartitionMap.Cut(Model.Layout, experiment.Cluster.Partitions, optimizer.DecayBiases);
        _tree = new FixedTree(training.Shards);
    }

    public Experiment Experiment { get; }

    public PreparedData Data { get; }

    /// <summary>Names the run on the data plane.</summary>
    public ulong Token { get; }

    public LeafSchedule Schedule { get; }

    public long TotalSteps { get; }

    public Model Model { get; }

    public Loss Loss { get; }

    public Optimizer Optimizer { get; }

    public IReadOnlyList<PartitionRange> Ranges { get; }

    public int Shards => Schedule.Shards;

    public int BatchSize => Schedule.Batch;

    public ulong Seed => Experiment.Seed;

    public float WeightDecay => (float)Experiment.Optimizer.WeightDecay;

    public bool IsClassification => Data.Dataset.Task == DataTask.Classification;

    public string Transport => Experiment.Cluster.Transport switch
    {
        TransportKind.InProcess => "in-process",
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

        var dataset = DatasetReader.Read(experiment.Data.Source, experiment.Data.Target, Task(experiment.Data.Task), baseDirectory, problems);
        if (dataset is null)
        {
            return null;
        }

        var split = experiment.Data.Split is { } shares
            ? DataSplit.Draw(dataset, shares.Validation, shares.Test, shares.Stratify, experiment.Seed)
            : DataSplit.None(dataset.Rows);
        PlanProblems.Find(experiment, dataset, split, problems);
        if (problems.Count > 0)
        {
            return null;
        }

        var steps = experiment.Data.Preprocess.Select(static step => (Step(step.Kind), step.Factor));
        var plan = new TrainingPlan(experiment, new PreparedData(dataset, split, steps), token);
        PlanProblems.FindInModel(plan, problems);
        return problems.Count == 0 ? plan : null;
    }

    public float LearningRate(long step) => (float)Experiment.Optimizer.LearningRate;

    /// <summary>Rows of all leaves under a node in a step.</summary>
    public int RowsUnder(long step, TreeNode node)
    {
        var rows = 0;
        if (_tree.Contains(node) && step >= 0 && step < TotalSteps)
        {
            for (var shard = node.FirstLeaf; shard < _tree.EndLeaf(node); shard++)
            {
                rows += Schedule.LeafRows(step, shard);
            }
        }

        return rows;
    }

    /// <summary>Whether version v is evaluated: after each epoch where there are validation rows, and at the end.</summary>
    public bool EvaluatesAt(long version) =>
        version == TotalSteps || (version > 0 && version % Schedule.StepsPerEpoch == 0 && Data.Validation.Rows > 0);

    private static ModelDefinition Define(Experiment experiment, Dataset dataset)
    {
        var weights = experiment.Model.Init.Weights;
        return new ModelDefinition(
            new Shape(dataset.FeatureCount), [.. experiment.Model.Layers.Select(Layer)], new InitialWeights(Enum.Parse<InitialWeightsKind>(weights.Kind.ToString()), weights.Scale));
    }

    private static LayerDefinition Layer(LayerOptions options) => options switch
    {
        LinearOptions linear => new LinearDefinition(linear.Outputs, linear.Bias),
        BatchNormOptions norm => new BatchNormDefinition((float)norm.Momentum, (float)norm.Epsilon, norm.Sync),
        ActivationOptions activation => new ActivationDefinition(Enum.Parse<Activation>(activation.Kind.ToString())),
        DropoutOptions dropout => new DropoutDefinition((float)dropout.Rate),
        _ => throw new ArgumentException($"model.layers: {ExperimentNames.Of(options)} is not built."),
    };

    private static PreprocessStep Step(PreprocessKind kind) => Enum.Parse<PreprocessStep>(kind.ToString());

    private static DataTask? Task(TargetTask? task) => task is null ? null : Enum.Parse<DataTask>(task.ToString()!);
}
