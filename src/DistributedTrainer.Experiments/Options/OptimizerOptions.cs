namespace DistributedTrainer.Experiments;

/// <summary>The section <c>optimizer</c>. What a kind does not use keeps its default here and is not in the file.</summary>
public sealed record OptimizerOptions
{
    /// <summary>The update rule.</summary>
    public OptimizerKind Kind { get; init; } = OptimizerKind.Adam;

    /// <summary>η, above 0: the base of the <see cref="Schedule"/>.</summary>
    public double LearningRate { get; init; } = 0.001;

    /// <summary>λ of the L2 term λ/2 ‖w‖², not below 0; decoupled from the gradient for <see cref="OptimizerKind.Adamw"/>.</summary>
    public double WeightDecay { get; init; }

    /// <summary>λ of the term λ ‖w‖₁, not below 0.</summary>
    public double L1 { get; init; }

    /// <summary>Whether L1 makes weights exactly 0 (the orthant-wise rule of Andrew and Gao, 2007), which its plain subgradient does not; needs <see cref="L1"/>.</summary>
    public bool L1Zeros { get; init; }

    /// <summary>Whether weight decay and L1 touch biases and the parameters of normalisation layers too.</summary>
    public bool DecayBiases { get; init; }

    /// <summary>Largest norm of the whole gradient, above 0: a longer one is scaled down; null: any.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>Largest magnitude of each element of the gradient, above 0; null: any.</summary>
    public double? ClipValue { get; init; }

    /// <summary>α of <see cref="OptimizerKind.Momentum"/> and <see cref="OptimizerKind.Nesterov"/>, 0 ≤ α &lt; 1.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>β of <see cref="OptimizerKind.Rmsprop"/>, 0 ≤ β &lt; 1.</summary>
    public double Decay { get; init; } = 0.99;

    /// <summary>β₁ of <see cref="OptimizerKind.Adam"/> and <see cref="OptimizerKind.Adamw"/>, 0 ≤ β &lt; 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂ of <see cref="OptimizerKind.Adam"/> and <see cref="OptimizerKind.Adamw"/>, 0 ≤ β &lt; 1.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε of the kinds that divide by a root, above 0. The file's default for <see cref="OptimizerKind.Adagrad"/> is 1e-10.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The learning rate over the steps.</summary>
    public ScheduleOptions Schedule { get; init; } = new ConstantScheduleOptions();
}

/// <summary>Update rules; g gradient, v and s start at 0.</summary>
public enum OptimizerKind
{
    /// <summary>w ← w − η g.</summary>
    Sgd,

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    Momentum,

    /// <summary>Momentum with the gradient at the looked-ahead point (Nesterov, 1983; Sutskever et al., 2013).</summary>
    Nesterov,

    /// <summary>s ← β s + (1 − β) g²; w ← w − η g / (√s + ε) (Hinton, 2012).</summary>
    Rmsprop,

    /// <summary>s ← s + g²; w ← w − η g / (√s + ε) (Duchi et al., 2011).</summary>
    Adagrad,

    /// <summary>Bias-corrected first and second moments (Kingma and Ba, 2015).</summary>
    Adam,

    /// <summary>Adam with weight decay apart from the gradient (Loshchilov and Hutter, 2019).</summary>
    Adamw,
}
