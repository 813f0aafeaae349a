using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// An image with a border of zeros, so that no window needs to ask where the image ends. Rows and columns stand in
/// phases, one plane for each (all rows y with y mod phases = 0 and columns likewise, then 1, …): what windows of that
/// stride read side by side lies side by side, and so do their rows.
/// </summary>
/// <param name="channels">C.</param>
/// <param name="height">H of the image.</param>
/// <param name="width">W of the image.</param>
/// <param name="border">Zeros above and to the left.</param>
/// <param name="paddedHeight">Rows with the border.</param>
/// <param name="paddedWidth">Columns with the border.</param>
/// <param name="phases">The stride of the windows.</param>
internal sealed unsafe class PaddedImage(int channels, int height, int width, int border, int paddedHeight, int paddedWidth, int phases)
{
    // What a tile may read behind the last window.
    private const int Slack = 32;

    // A line of the first-level cache. An odd number of them from channel to channel spreads the channels over all its sets.
    private const int CacheLine = 16;

    private readonly int _planeStep = ((paddedHeight + phases - 1) / phases) * ((paddedWidth + phases - 1) / phases);

    /// <summary>From a row to the next of the same phase, in elements.</summary>
    public int RowStep { get; } = (paddedWidth + phases - 1) / phases;

    /// <summary>From a channel to the next.</summary>
    public int ChannelStep => CacheLine * ((((_planeStep * phases * phases) + CacheLine - 1) / CacheLine) | 1);

    /// <summary>Elements, with the slack.</summary>
    public int Elements => checked((ChannelStep * channels) + Slack);

    /// <summary>Where an element lies, its row and column counted with the border.</summary>
    public int Offset(int channel, int row, int column) =>
        (channel * ChannelStep) + (((row % phases * phases) + (column % phases)) * _planeStep) + (row / phases * RowStep) + (column / phases);

    /// <summary>Writes an image (C,H,W) within the border, which stays as it is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fill(float* image, float* padded)
    {
        // What a negative border or a narrow buffer leaves out is read by no window.
        var (firstRow, firstColumn) = (Math.Max(0, -border), Math.Max(0, -border));
        var (endRow, endColumn) = (Math.Min(height, paddedHeight - border), Math.Min(width, paddedWidth - border));
        var length = endColumn - firstColumn;
        for (var channel = 0; channel < channels && length > 0; channel++)
        {
            var from = image + ((((long)channel * height) + firstRow) * width) + firstColumn;
            var to = padded + Offset(channel, firstRow + border, firstColumn + border);
            for (var row = firstRow; row < endRow; row++, from += width, to += RowStep)
            {
                if (phases == 1)
                {
                    CopyRow(from, to, length);
                }
                else
                {
                    Deal(from, padded, channel, row + border, firstColumn + border, length);
                }
            }
        }
    }

    // Rows are short: two overlapping vectors are quicker than a call that looks at the length.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyRow(float* from, float* to, int length)
    {
        if (length >= 16)
        {
            for (var x = 0; x < length - 16; x += 16)
            {
                Vector512.Load(from + x).Store(to + x);
            }

            Vector512.Load(from + length - 16).Store(to + length - 16);
        }
        else if (length >= 8)
        {
            Vector256.Load(from).Store(to);
            Vector256.Load(from + length - 8).Store(to + length - 8);
        }
        else
        {
            for (var x = 0; x < length; x++)
            {
                to[x] = from[x];
            }
        }
    }

    private void Deal(float* from, float* padded, int channel, int row, int column, int length)
    {
        for (var first = 0; first < Math.Min(phases, length); first++)
        {
            var to = padded + Offset(channel, row, column + first);
            for (var x = first; x < length; x += phases)
            {
                *to++ = from[x];
            }
        }
    }
}
