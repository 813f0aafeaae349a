using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// A few images with a border of zeros, so that no window needs to ask where the image ends. Within each row the
/// columns stand in phases (all columns x with x mod phases = 0, then 1, …): what windows of that stride read
/// side by side lies side by side.
/// </summary>
/// <param name="channels">C.</param>
/// <param name="height">H of the images.</param>
/// <param name="width">W of the images.</param>
/// <param name="border">Zeros above and to the left.</param>
/// <param name="paddedHeight">Rows with the border.</param>
/// <param name="paddedWidth">Columns with the border.</param>
/// <param name="phases">The stride of the windows.</param>
internal sealed unsafe class PaddedImages(int channels, int height, int width, int border, int paddedHeight, int paddedWidth, int phases)
{
    /// <summary>What a chunk of 16 may read behind the last image.</summary>
    public const int Slack = 16;

    // 256 KB: a group of padded images stays in the second-level cache.
    private const int GroupElements = 65536;

    private readonly int _phaseWidth = (paddedWidth + phases - 1) / phases;

    /// <summary>From a row to the next, in elements.</summary>
    public int RowStep => _phaseWidth * phases;

    /// <summary>From a channel to the next.</summary>
    public int ChannelStep => RowStep * paddedHeight;

    /// <summary>From an image to the next.</summary>
    public int ImageStep => checked(ChannelStep * channels);

    /// <summary>How many images are padded together, at least 1.</summary>
    public int Group => Math.Clamp(GroupElements / ImageStep, 1, 64);

    /// <summary>Elements of a group, with the slack.</summary>
    public int Elements => checked((ImageStep * Group) + Slack);

    /// <summary>Where an element of the first image lies, its row and column counted with the border.</summary>
    public int Offset(int channel, int row, int column) =>
        (channel * ChannelStep) + (row * RowStep) + (column % phases * _phaseWidth) + (column / phases);

    /// <summary>Writes images (count, C, H, W) with their borders.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fill(ReadOnlySpan<float> images, Span<float> padded, int count)
    {
        images = images[..(count * channels * height * width)];
        padded[..(count * ImageStep)].Clear();

        // What a negative border or a narrow buffer leaves out is read by no window.
        var (firstRow, firstColumn) = (Math.Max(0, -border), Math.Max(0, -border));
        var (endRow, endColumn) = (Math.Min(height, paddedHeight - border), Math.Min(width, paddedWidth - border));
        if (firstColumn >= endColumn)
        {
            return;
        }

        var length = endColumn - firstColumn;
        fixed (float* source = images, target = padded)
        {
            for (var plane = 0; plane < count * channels; plane++)
            {
                for (var row = firstRow; row < endRow; row++)
                {
                    var from = source + ((((long)plane * height) + row) * width) + firstColumn;
                    var to = target + ((long)plane * ChannelStep) + ((row + border) * RowStep);
                    if (phases == 1)
                    {
                        CopyRow(from, to + firstColumn + border, length);
                    }
                    else
                    {
                        Deal(from, to, firstColumn + border, length);
                    }
                }
            }
        }
    }

    // Rows are short: two overlapping vectors are quicker than a call that looks at the length.
    private static void CopyRow(float* from, float* to, int length)
    {
        if (length < 8)
        {
            for (var x = 0; x < length; x++)
            {
                to[x] = from[x];
            }

            return;
        }

        for (var x = 0; x < length - 8; x += 8)
        {
            Vector256.Load(from + x).Store(to + x);
        }

        Vector256.Load(from + length - 8).Store(to + length - 8);
    }

    private void Deal(float* from, float* to, int firstColumn, int length)
    {
        for (var phase = 0; phase < phases; phase++)
        {
            var start = (((phase - firstColumn) % phases) + phases) % phases;
            var write = to + (phase * _phaseWidth) + ((firstColumn + start) / phases);
            for (var x = start; x < length; x += phases)
            {
                *write++ = from[x];
            }
        }
    }
}
