namespace DistributedTrainer.Engine.Losses;

/// <summary>Losses by their names in experiments.</summary>
public static class TrainingLoss
{
    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "perceptron", "multiclass-perceptron", "hinge", "multiclass-hinge", "logistic", "binary-cross-entropy", "cross-entropy", "kl-divergence",
        "mean-squared-error", "mean-absolute-error", "huber",
    ];

    /// <summary>The loss of a name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="labelSmoothing">ε of cross-entropy; the others do not read it.</param>
    /// <param name="delta">δ of huber; the others do not read it.</param>
    /// <param name="targets">What kl-divergence is compared with; the others do not read it.</param>
    /// <exception cref="ArgumentException">No loss has the name, or nothing can be trained with it.</exception>
    public static Loss Create(string name, float labelSmoothing = 0, float delta = 1, LossTargets targets = LossTargets.Classes) => name switch
    {
        "perceptron" => new PerceptronLoss(),
        "multiclass-perceptron" => new MulticlassPerceptronLoss(),
        "hinge" => new HingeLoss(),
        "multiclass-hinge" => new MulticlassHingeLoss(),
        "logistic" => new LogisticLoss(),
        "binary-cross-entropy" => new BinaryCrossEntropyLoss(),
        "cross-entropy" => new CrossEntropyLoss(labelSmoothing),
        "kl-divergence" => new KlDivergenceLoss(targets),
        "mean-squared-error" => new MeanSquaredErrorLoss(),
        "mean-absolute-error" => new MeanAbsoluteErrorLoss(),
        "huber" => new HuberLoss(delta),
        ZeroOne.Name => throw new ArgumentException(
            "loss: zero-one is a metric; its gradient is zero everywhere, so nothing can be trained with it. Train with perceptron, hinge, logistic or cross-entropy."),
        _ => throw new ArgumentException($"loss: {name} is unknown. Choose one of {string.Join(", ", Names)}."),
    };
}
