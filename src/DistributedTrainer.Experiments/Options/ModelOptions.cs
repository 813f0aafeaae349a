namespace DistributedTrainer.Experiments;

/// <summary>The section <c>model</c>.</summary>
public sealed record ModelOptions
{
    /// <summary>Path of a safetensors file with the starting weights, relative to the experiment's folder; null: <see cref="Init"/> makes them.</summary>
    public string? From { get; init; }

    /// <summary>How the parameters start.</summary>
    public InitOptions Init { get; init; } = new();

    /// <summary>From input to output; the last is linear.</summary>
    public required ValueList<LayerOptions> Layers { get; init; }
}

/// <summary>How the parameters start.</summary>
public sealed record InitOptions
{
    /// <summary>Weights of linear and convolution layers.</summary>
    public WeightOptions Weights { get; init; } = new(WeightKind.He);

    /// <summary>What biases of linear and convolution layers start with; the file says <c>zeros</c> for 0.</summary>
    public double Bias { get; init; }
}

/// <summary>How weights start.</summary>
/// <param name="Kind">The distribution.</param>
/// <param name="Scale">Standard deviation for normal, bound for uniform; 0 for the others.</param>
public sealed record WeightOptions(WeightKind Kind, double Scale = 0)
{
    /// <summary>The scale that the file calls <c>small</c>: activations vanish through ten tanh layers.</summary>
    public const double Small = 0.01;

    /// <summary>The scale that the file calls <c>large</c>: activations saturate.</summary>
    public const double Large = 1;
}

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
