namespace DistributedTrainer.Experiments;

/// <summary>The section <c>optimizer</c>.</summary>
public sealed record OptimizerOptions
{
    /// <summary>The update rule.</summary>
    public OptimizerKind Kind { get; init; } = OptimizerKind.Adam;

    /// <summary>η, above 0.</summary>
    public double LearningRate { get; init; } = 0.001;

    /// <summary>λ of the L2 term λ/2 ‖w‖², not below 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>α of <see cref="OptimizerKind.Momentum"/>, 0 ≤ α &lt; 1; unused by the others, and then not written.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>β₁ of <see cref="OptimizerKind.Adam"/>, 0 ≤ β &lt; 1; unused by the others, and then not written.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂ of <see cref="OptimizerKind.Adam"/>, 0 ≤ β &lt; 1; unused by the others, and then not written.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε of <see cref="OptimizerKind.Adam"/>, above 0; unused by the others, and then not written.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Whether weight decay touches biases and batch-norm parameters too.</summary>
    public bool DecayBiases { get; init; }
}

/// <summary>Update rules.</summary>
public enum OptimizerKind
{
    /// <summary>w ← w − η g.</summary>
    Sgd,

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    Momentum,

    /// <summary>Bias-corrected first and second moments (Kingma and Ba, 2015).</summary>
    Adam,
}
