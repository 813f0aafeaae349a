using DistributedTrainer.Engine.Layers;

namespace DistributedTrainer.Experiments;

/// <summary>One layer.</summary>
public abstract record LayerOptions
{
    /// <summary>A layer of your own beside the trainer's.</summary>
    /// <param name="layer">The layer.</param>
    public static implicit operator LayerOptions(CustomLayer layer) => new CustomLayerOptions(layer);
}

/// <summary>A layer of an extension; in the file under the name that it has there.</summary>
/// <param name="Layer">The layer with its settings.</param>
public sealed record CustomLayerOptions(CustomLayer Layer) : LayerOptions;

/// <summary>z = x·wᵀ + b.</summary>
/// <param name="Outputs">Columns of z, at least 1.</param>
/// <param name="Bias">Whether b is there.</param>
public sealed record LinearOptions(int Outputs, bool Bias = true) : LayerOptions;

/// <summary>Each column, or each channel of images, to mean β and standard deviation γ (Ioffe and Szegedy, 2015).</summary>
/// <param name="Momentum">Share of a step in the running statistics, 0..1.</param>
/// <param name="Epsilon">Added to the variance, above 0.</param>
/// <param name="Sync">Whether the statistics are those of the whole global batch, or each shard's own.</param>
public sealed record BatchNormOptions(double Momentum = 0.1, double Epsilon = 1e-5, bool Sync = true) : LayerOptions;

/// <summary>Each row to mean β and standard deviation γ (Ba, Kiros and Hinton, 2016).</summary>
/// <param name="Epsilon">Added to the variance, above 0.</param>
public sealed record LayerNormOptions(double Epsilon = 1e-5) : LayerOptions;

/// <summary>A function of the scores without weights.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Alpha">Slope below 0 of <see cref="ActivationKind.LeakyRelu"/> (0.01 where the file gives none), α of <see cref="ActivationKind.Elu"/> (1); 0 for the others.</param>
public sealed record ActivationOptions(ActivationKind Kind, double Alpha = 0) : LayerOptions
{
    /// <summary>Slope of leaky-relu where none is given.</summary>
    public const double DefaultSlope = 0.01;

    /// <summary>α of elu where none is given.</summary>
    public const double DefaultElu = 1;
}

/// <summary>Zeroes units while training and scales the rest by 1 / (1 − rate).</summary>
/// <param name="Rate">Share of zeroed units, 0 ≤ rate &lt; 1.</param>
public sealed record DropoutOptions(double Rate) : LayerOptions;

/// <summary>Cross-correlation of images with square kernels.</summary>
/// <param name="Outputs">Channels of the result, at least 1.</param>
/// <param name="Kernel">Height and width of a kernel, at least 1.</param>
/// <param name="Stride">Pixels from one place of the kernel to the next, at least 1.</param>
/// <param name="Padding">Zeros added on each side, at least 0.</param>
/// <param name="Bias">Whether each channel has one.</param>
public sealed record Conv2dOptions(int Outputs, int Kernel, int Stride = 1, int Padding = 0, bool Bias = true) : LayerOptions;

/// <summary>The largest value of each window.</summary>
/// <param name="Kernel">Height and width of a window, at least 1.</param>
/// <param name="Stride">Pixels from one window to the next, at least 1; the file's default is the kernel.</param>
public sealed record MaxPool2dOptions(int Kernel, int Stride) : LayerOptions;

/// <summary>The mean of each window.</summary>
/// <param name="Kernel">Height and width of a window, at least 1.</param>
/// <param name="Stride">Pixels from one window to the next, at least 1; the file's default is the kernel.</param>
public sealed record AvgPool2dOptions(int Kernel, int Stride) : LayerOptions;

/// <summary>The mean of each channel: one value a channel is left.</summary>
public sealed record GlobalAvgPool2dOptions : LayerOptions;

/// <summary>Images to rows: channel by channel, line by line.</summary>
public sealed record FlattenOptions : LayerOptions;

/// <summary>y = layers(x) + shortcut(x) (He et al., 2016).</summary>
/// <param name="Layers">At least one.</param>
/// <param name="Shortcut">None: the shortcut is x itself.</param>
public sealed record ResidualOptions(ValueList<LayerOptions> Layers, ValueList<LayerOptions> Shortcut) : LayerOptions;

/// <summary>Functions of the scores.</summary>
public enum ActivationKind
{
    /// <summary>max(0, z).</summary>
    Relu,

    /// <summary>tanh z.</summary>
    Tanh,

    /// <summary>1 / (1 + e^−z).</summary>
    Sigmoid,

    /// <summary>max(αz, z).</summary>
    LeakyRelu,

    /// <summary>z above 0, else α(e^z − 1).</summary>
    Elu,

    /// <summary>log(1 + e^z).</summary>
    Softplus,

    /// <summary>z·Φ(z), Φ the normal distribution function (Hendrycks and Gimpel, 2016).</summary>
    Gelu,

    /// <summary>z·σ(z) (Elfwing et al., 2018).</summary>
    Silu,

    /// <summary>e^z over the sum of e^z along the row.</summary>
    Softmax,

    /// <summary>The logarithm of softmax.</summary>
    LogSoftmax,
}
