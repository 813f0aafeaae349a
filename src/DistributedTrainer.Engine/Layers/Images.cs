using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>Checks that layers on images have in common.</summary>
internal static class Images
{
    /// <summary>A row must be an image.</summary>
    /// <exception cref="ArgumentException">It is flat.</exception>
    public static void Expect(string name, string path, Shape input)
    {
        if (input.Rank != 3)
        {
            throw new ArgumentException(
                $"{name} (layer {path}): a row has shape {input}, it must be an image (channels x height x width). Give the model's input three dimensions, and put flatten layers after it.");
        }
    }

    /// <summary>Shape of the output of a layer that moves a square window over an image.</summary>
    /// <exception cref="ArgumentException">The row is flat, or the window does not fit.</exception>
    public static Shape Windows(string name, string path, Shape input, int channels, int kernel, int stride, int padding)
    {
        Expect(name, path, input);
        if (kernel < 1 || stride < 1)
        {
            throw new ArgumentException($"{name} (layer {path}): kernel is {kernel} and stride {stride}; both must be at least 1.");
        }

        var height = ConvolutionShape.Windows(input[1], kernel, stride, padding);
        var width = ConvolutionShape.Windows(input[2], kernel, stride, padding);
        return height > 0 && width > 0
            ? new Shape(channels, height, width)
            : throw new ArgumentException(
                $"{name} (layer {path}): a kernel of {kernel}x{kernel} does not fit into a row of shape {input} with padding {padding}. Take a smaller kernel, more padding, or less pooling before it.");
    }
}
