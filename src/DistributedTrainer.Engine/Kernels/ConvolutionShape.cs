namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// The sizes of a convolution with square kernels: C input channels of H × W, O output channels of OH × OW, kernel S × S;
/// output (y, x) reads the inputs from (y · stride − padding, x · stride − padding) on, and zeros outside of the image.
/// </summary>
/// <param name="Channels">C.</param>
/// <param name="Height">H.</param>
/// <param name="Width">W.</param>
/// <param name="Outputs">O.</param>
/// <param name="Kernel">S.</param>
/// <param name="Stride">Step from one output to the next.</param>
/// <param name="Padding">Zeros on each side.</param>
public readonly record struct ConvolutionShape(int Channels, int Height, int Width, int Outputs, int Kernel, int Stride, int Padding)
{
    /// <summary>OH = ⌊(H + 2 padding − S) / stride⌋ + 1.</summary>
    public int OutputHeight => Windows(Height, Kernel, Stride, Padding);

    /// <summary>OW = ⌊(W + 2 padding − S) / stride⌋ + 1.</summary>
    public int OutputWidth => Windows(Width, Kernel, Stride, Padding);

    /// <summary>Elements of one input image.</summary>
    public int InputElements => Channels * Height * Width;

    /// <summary>Elements of one output plane.</summary>
    public int Positions => OutputHeight * OutputWidth;

    /// <summary>Elements of one output image.</summary>
    public int OutputElements => Outputs * Positions;

    /// <summary>Weights of one output channel: C · S · S.</summary>
    public int Depth => Channels * Kernel * Kernel;

    /// <summary>How many windows of a kernel fit along a side; 0 or less when none does.</summary>
    internal static int Windows(int size, int kernel, int stride, int padding) =>
        size + (2 * padding) < kernel ? 0 : ((size + (2 * padding) - kernel) / stride) + 1;
}
