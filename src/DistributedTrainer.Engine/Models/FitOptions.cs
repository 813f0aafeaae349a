using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Metrics;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Optimizers.Schedules;

namespace DistributedTrainer.Engine.Models;

/// <summary>How <see cref="Network.Fit(Examples, FitOptions?)"/> trains.</summary>
public sealed record FitOptions
{
    /// <summary>What is minimised. Default: cross-entropy for classes (logistic where the model has one output), mean squared error for values.</summary>
    public Loss? Loss { get; init; }

    /// <summary>Default: Adam with its defaults. Its state starts at 0 in each fit.</summary>
    public Optimizer Optimizer { get; init; } = new Adam();

    /// <summary>η₀, above 0. Default 0.001.</summary>
    public double LearningRate { get; init; } = 0.001;

    /// <summary>What becomes of η₀ from step to step. Default: it stays.</summary>
    public Schedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>Lowers η₀ when the validation loss has stopped falling; needs <see cref="Validation"/>. Default: none.</summary>
    public ReduceOnPlateau? Plateau { get; init; }

    /// <summary>How often every row is visited, at least 1. Default 20.</summary>
    public int Epochs { get; init; } = 20;

    /// <summary>Rows of a step, at least 1; an epoch's last step may have fewer. Default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>λ₂ of the penalty λ₂/2 ‖w‖² on weights. Default 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>λ₁ of the penalty λ₁ ‖w‖₁ on weights. Default 0.</summary>
    public double L1 { get; init; }

    /// <summary>Whether L1 makes weights exactly 0, see <see cref="OptimizerStep.L1Zeros"/>; needs <see cref="L1"/>. Default false.</summary>
    public bool L1Zeros { get; init; }

    /// <summary>Whether both penalties apply to biases and batch-norm parameters too. Default false.</summary>
    public bool DecayBiases { get; init; }

    /// <summary>The greatest norm of the mean gradient, above 0. Default: any.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>Whether rows come in another order in each epoch. Default true.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>
    /// Into how many leaves a batch is cut, whose gradients are summed in the fixed tree. The bits are those of a cluster
    /// with as many shards, the same rows in the same order, and the same seed. Default 1, the fastest here.
    /// </summary>
    public int Leaves { get; init; } = 1;

    /// <summary>Rows to evaluate after each epoch. Default: none.</summary>
    public Examples? Validation { get; init; }

    /// <summary>Stops when the validation loss has stopped falling; needs <see cref="Validation"/>. Default: none.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>Called after each epoch, on the thread that trains. The network may be read, not fitted.</summary>
    public Action<EpochReport>? OnEpoch { get; init; }

    /// <summary>Stops between two steps; the weights are then those of the last whole step.</summary>
    public CancellationToken CancellationToken { get; init; }

    internal void FindProblems(Model model, int rows, ICollection<string> problems)
    {
        Require(double.IsFinite(LearningRate) && LearningRate > 0, $"LearningRate is {LearningRate}, it must be above 0.");
        Require(Epochs >= 1, $"Epochs is {Epochs}, it must be at least 1.");
        Require(BatchSize >= 1, $"BatchSize is {BatchSize}, it must be at least 1.");
        Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, $"WeightDecay is {WeightDecay}, it must be 0 or more.");
        Require(double.IsFinite(L1) && L1 >= 0, $"L1 is {L1}, it must be 0 or more.");
        Require(!L1Zeros || L1 > 0, $"L1Zeros needs an L1 above 0, it is {L1}.");
        Require(ClipNorm is null or > 0, $"ClipNorm is {ClipNorm}, it must be above 0, or null for none.");
        Require(Leaves >= 1 && Leaves <= Math.Min(rows, BatchSize), $"Leaves is {Leaves}, it must be from 1 to the rows of a batch, {Math.Min(rows, BatchSize)}.");
        Require(Validation is not null || EarlyStopping is null, "EarlyStopping needs Validation rows.");
        Require(Validation is not null || Plateau is null, "Plateau needs Validation rows.");
        Require(EarlyStopping is null or { Patience: >= 1 }, $"EarlyStopping.Patience is {EarlyStopping?.Patience}, it must be at least 1.");
        if (problems.Count == 0)
        {
            FindLonelyRows(model, new EpochOrder(rows, BatchSize, Leaves, Shuffle, 0), problems);
        }

        void Require(bool right, string problem)
        {
            if (!right)
            {
                problems.Add($"options: {problem}");
            }
        }
    }

    // A single flat row has no variance to normalise by.
    private void FindLonelyRows(Model model, EpochOrder order, ICollection<string> problems)
    {
        foreach (var slot in model.BatchNorms.Where(static slot => slot.Positions == 1))
        {
            for (var step = 0; step < order.Steps; step++)
            {
                var leaves = Enumerable.Range(0, Leaves).Select(leaf => order.LeafRows(step, leaf));
                if (slot.Sync ? leaves.Sum() == 1 : leaves.Contains(1))
                {
                    problems.Add($"options: batch-norm needs two rows at least in {(slot.Sync ? "a batch" : "each leaf")}, but one alone occurs in step {step} of an epoch. Choose another BatchSize{(slot.Sync ? "" : " or number of Leaves")}.");
                    return;
                }
            }
        }
    }
}

/// <summary>When to stop early.</summary>
/// <param name="Patience">Epochs in a row whose validation loss is not below the lowest one so far, at least 1.</param>
/// <param name="RestoreBest">Whether the weights of the epoch with the lowest validation loss are taken at the end.</param>
public sealed record EarlyStopping(int Patience = 5, bool RestoreBest = true);

/// <summary>One epoch.</summary>
/// <param name="Epoch">Its number, from 1.</param>
/// <param name="Loss">Mean loss over the training rows, each before the update that it took part in.</param>
/// <param name="LearningRate">The rate of the epoch's last step.</param>
/// <param name="Validation">The network on the validation rows after the epoch, where there are any.</param>
public sealed record EpochReport(int Epoch, double Loss, double LearningRate, Evaluation? Validation);

/// <summary>What a fit did.</summary>
/// <param name="Epochs">All epochs in order.</param>
/// <param name="BestEpoch">The number, from 1, of the epoch with the lowest validation loss; null without validation rows.</param>
/// <param name="StoppedEarly">Whether early stopping ended it.</param>
public sealed record FitResult(IReadOnlyList<EpochReport> Epochs, int? BestEpoch, bool StoppedEarly)
{
    /// <summary>The last epoch's loss.</summary>
    public double Loss => Epochs[^1].Loss;
}
