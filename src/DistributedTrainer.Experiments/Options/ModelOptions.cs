namespace DistributedTrainer.Experiments;

/// <summary>The section <c>model</c>.</summary>
public sealed record ModelOptions
{
    /// <summary>How the parameters start.</summary>
    public InitOptions Init { get; init; } = new();

    /// <summary>From input to output; the last is linear.</summary>
    public required ValueList<LayerOptions> Layers { get; init; }
}

/// <summary>How the parameters start.</summary>
public sealed record InitOptions
{
    /// <summary>Weights of linear layers.</summary>
    public WeightOptions Weights { get; init; } = new(WeightKind.He);

    /// <summary>Biases of linear layers.</summary>
    public BiasKind Bias { get; init; } = BiasKind.Zeros;
}

/// <summary>How weights start.</summary>
/// <param name="Kind">The distribution.</param>
/// <param name="Scale">Standard deviation for normal, bound for uniform; 0 for the others.</param>
public sealed record WeightOptions(WeightKind Kind, double Scale = 0);

/// <summary>The distribution of initial weights; D: inputs and outputs of the layer.</summary>
public enum WeightKind
{
    /// <summary>Normal, standard deviation √(2 / D_in).</summary>
    He,

    /// <summary>Normal, standard deviation √(2 / (D_in + D_out)).</summary>
    Glorot,

    /// <summary>Normal, standard deviation 1 / √D_in.</summary>
    Xavier,

    /// <summary>Normal of a given standard deviation.</summary>
    Normal,

    /// <summary>Uniform in [−bound, bound].</summary>
    Uniform,

    /// <summary>All 0: the hidden units stay equal.</summary>
    Zeros,
}

/// <summary>How biases start.</summary>
public enum BiasKind
{
    /// <summary>All 0.</summary>
    Zeros,
}

/// <summary>One layer.</summary>
public abstract record LayerOptions;

/// <summary>z = x·wᵀ + b.</summary>
/// <param name="Outputs">Columns of z, at least 1.</param>
/// <param name="Bias">Whether b is there.</param>
public sealed record LinearOptions(int Outputs, bool Bias = true) : LayerOptions;

/// <summary>Each column to mean β and standard deviation γ.</summary>
/// <param name="Momentum">Share of a step in the running statistics, 0..1.</param>
/// <param name="Epsilon">Added to the variance, above 0.</param>
/// <param name="Sync">Whether the statistics are those of the whole global batch, or each shard's own.</param>
public sealed record BatchNormOptions(double Momentum = 0.1, double Epsilon = 1e-5, bool Sync = true) : LayerOptions;

/// <summary>An element-wise function.</summary>
/// <param name="Kind">Which.</param>
public sealed record ActivationOptions(ActivationKind Kind) : LayerOptions;

/// <summary>Zeroes units while training and scales the rest by 1 / (1 − rate).</summary>
/// <param name="Rate">Share of zeroed units, 0 ≤ rate &lt; 1.</param>
public sealed record DropoutOptions(double Rate) : LayerOptions;

/// <summary>Element-wise functions.</summary>
public enum ActivationKind
{
    /// <summary>max(0, z).</summary>
    Relu,

    /// <summary>tanh z.</summary>
    Tanh,

    /// <summary>1 / (1 + e^−z).</summary>
    Sigmoid,
}
