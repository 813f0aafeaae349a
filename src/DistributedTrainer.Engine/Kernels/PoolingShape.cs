namespace DistributedTrainer.Engine.Kernels;

/// <summary>The sizes of a pooling: planes of H × W, windows of S × S that begin at multiples of the stride and lie within the plane.</summary>
/// <param name="Height">H.</param>
/// <param name="Width">W.</param>
/// <param name="Kernel">S.</param>
/// <param name="Stride">Step from one window to the next.</param>
public readonly record struct PoolingShape(int Height, int Width, int Kernel, int Stride)
{
    /// <summary>OH = ⌊(H − S) / stride⌋ + 1.</summary>
    public int OutputHeight => ConvolutionShape.Windows(Height, Kernel, Stride, 0);

    /// <summary>OW = ⌊(W − S) / stride⌋ + 1.</summary>
    public int OutputWidth => ConvolutionShape.Windows(Width, Kernel, Stride, 0);
}
