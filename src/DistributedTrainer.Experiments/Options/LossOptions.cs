using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Experiments;

/// <summary>What is minimised.</summary>
/// <param name="Kind">Which loss.</param>
/// <param name="LabelSmoothing">Share of the target that <see cref="LossKind.CrossEntropy"/> spreads over all classes, 0 ≤ ε &lt; 1; 0 for the others.</param>
/// <param name="Delta">Where <see cref="LossKind.Huber"/> turns from square to line, above 0; 1 for the others.</param>
public sealed record LossOptions(LossKind Kind, double LabelSmoothing = 0, double Delta = 1)
{
    /// <summary>How much the rows of a class count; null: all the same.</summary>
    public ClassWeightOptions? ClassWeights { get; init; }

    /// <summary>A loss of an extension, in the place of those of <see cref="Kind"/>, which then only says what the targets are; null: none.</summary>
    public CustomLoss? Custom { get; init; }

    /// <summary>A loss of your own.</summary>
    /// <param name="loss">The loss with its settings.</param>
    public static implicit operator LossOptions(CustomLoss loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return DefaultFor(loss.Targets == LossTargets.Classes ? TargetTask.Classification : TargetTask.Regression) with { Custom = loss };
    }

    /// <summary>What it is called in the file.</summary>
    public string Name => Custom?.Name ?? ExperimentNames.Of(Kind);

    /// <summary>Cross-entropy for classes, mean squared error for numbers.</summary>
    /// <param name="task">What the target holds.</param>
    public static LossOptions DefaultFor(TargetTask task) => new(task == TargetTask.Regression ? LossKind.MeanSquaredError : LossKind.CrossEntropy);
}

/// <summary>Weights of classes: loss and gradient of a row are multiplied by that of its class; the sum is divided by the number of rows as ever.</summary>
public sealed record ClassWeightOptions
{
    /// <summary>By the name of the class, above 0; classes that are not named weigh 1. Empty: balanced, N / (K · n) for a class with n of the N training rows of K classes.</summary>
    public ValueList<ClassWeight> Weights { get; init; } = [];
}

/// <summary>The weight of one class.</summary>
/// <param name="Class">Its name.</param>
/// <param name="Weight">Above 0.</param>
public sealed record ClassWeight(string Class, double Weight);

/// <summary>Losses; z scores, t target.</summary>
public enum LossKind
{
    /// <summary>Softmax with −log p of the true class; needs class numbers.</summary>
    CrossEntropy,

    /// <summary>Mean over the outputs of (z − t)²; needs numbers as targets.</summary>
    MeanSquaredError,

    /// <summary>max(0, −t z), t ∈ {−1, +1}.</summary>
    Perceptron,

    /// <summary>Σ over the wrong classes of max(0, z_j − z_t).</summary>
    MulticlassPerceptron,

    /// <summary>max(0, 1 − t z), t ∈ {−1, +1}.</summary>
    Hinge,

    /// <summary>Σ over the wrong classes of max(0, 1 + z_j − z_t).</summary>
    MulticlassHinge,

    /// <summary>−log σ(t z), t ∈ {−1, +1}.</summary>
    Logistic,

    /// <summary>−t log p − (1 − t) log(1 − p), p = σ(z), t ∈ {0, 1}.</summary>
    BinaryCrossEntropy,

    /// <summary>Σ q log(q / p), p = softmax(z).</summary>
    KlDivergence,

    /// <summary>Mean over the outputs of |z − t|; needs numbers as targets.</summary>
    MeanAbsoluteError,

    /// <summary>(z − t)² / 2 near the target, δ(|z − t| − δ/2) beyond δ (Huber, 1964); needs numbers as targets.</summary>
    Huber,
}
