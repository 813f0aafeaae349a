using DistributedTrainer.Engine.Diagnostics;

namespace DistributedTrainer.Engine.Metrics;

/// <summary>What an evaluation of a model on rows with known answers gives.</summary>
/// <param name="Loss">Mean loss over the rows.</param>
/// <param name="Rows">How many.</param>
public sealed record Evaluation(double Loss, long Rows)
{
    /// <summary>Labels against predictions; null where targets are values.</summary>
    public ConfusionMatrix? Confusion { get; init; }

    /// <summary>The share of right predictions; null where targets are values.</summary>
    public double? Accuracy => Confusion?.Accuracy;

    /// <summary>
    /// Of class 1 against class 0, or the macro mean of each class against the rest by its probability; null where
    /// targets are values, or no class can be compared.
    /// </summary>
    public double? RocAuc { get; init; }

    /// <summary>
    /// By the probabilities softmax(z), or σ(z) of a single output; null where the loss does not make scores into
    /// probabilities (perceptron, hinge), or targets are values.
    /// </summary>
    public double? LogLoss { get; init; }

    /// <summary>MSE, MAE and R²; null where targets are classes.</summary>
    public RegressionMetrics? Regression { get; init; }

    /// <summary>What the units of the activation layers did on these rows: which are dead, which saturated.</summary>
    public IReadOnlyList<ActivationStatistics> Units { get; init; } = [];

    /// <summary>The loss and the main metrics in one line.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Rows} rows, loss {Loss:G5}{Part(", accuracy", Accuracy)}{Part(", macro F1", Confusion?.MacroF1)}{Part(", ROC AUC", RocAuc)}{Part(", MAE", Regression?.MeanAbsoluteError)}{Part(", R²", Regression?.RSquared)}");

    private static string Part(string name, double? value) => value is { } number ? FormattableString.Invariant($"{name} {number:G5}") : "";
}
