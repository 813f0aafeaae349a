using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// dw(k, O) = Σ over images and positions of patch(k) · dy(O), k = (ky, kx, c). With the channels innermost, the patch
/// elements of one ky lie side by side in the padded image, and the tile reads them where they are: nothing is packed
/// but one transposed copy of each image. Each element is one chain over images, rows and columns in order.
/// </summary>
internal sealed unsafe class ConvolutionWeightGradient(ConvolutionShape shape, Tiling tiling)
{
    // 128 KB of images at a time stay in the second-level cache; small ones share the way to the sums of a large layer.
    private const int GroupElements = 32768;

    // What a tile of 12 rows may read behind the last patch, and the transposition writes behind the last position.
    private const int Slack = 16;

    [ThreadStatic]
    private static float[]? _images;

    [ThreadStatic]
    private static float[]? _gradients;

    [ThreadStatic]
    private static float[]? _sums;

    // Lines: patch elements of one ky, filled up to whole tiles. Columns: output channels, likewise.
    private readonly int _lines = Scratch.RoundUp(shape.Kernel * shape.Channels, tiling.Rows);
    private readonly int _columns = Scratch.RoundUp(shape.Outputs, Math.Max(VectorMap.Lanes, tiling.Columns));
    private readonly int _rowStep = (shape.Width + (2 * shape.Padding)) * shape.Channels;

    private int ImageStep => checked((shape.Height + (2 * shape.Padding)) * _rowStep);

    private int GradientStep => checked(shape.Positions * _columns);

    public void Run(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dw, Span<float> db, int rows)
    {
        var group = Math.Max(1, GroupElements / (ImageStep + GradientStep));
        var images = Scratch.Room(ref _images, checked((group * ImageStep) + Slack));
        var gradients = Scratch.Room(ref _gradients, checked((group * GradientStep) + Slack));
        var length = checked((shape.Kernel * _lines * _columns) + _columns);
        var sums = Scratch.Room(ref _sums, length);
        sums.AsSpan(0, length).Clear();
        fixed (float* px = x, pdy = dy, pdw = dw, image = images, gradient = gradients, sum = sums)
        {
            var biases = sum + (length - _columns);
            for (var first = 0; first < rows; first += group)
            {
                var count = Math.Min(group, rows - first);
                for (var i = 0; i < count; i++)
                {
                    Transpose(px + ((long)(first + i) * shape.InputElements), image + ((long)i * ImageStep));
                    var to = gradient + ((long)i * GradientStep);
                    PanelPacking.Run(pdy + ((long)(first + i) * shape.OutputElements), shape.Positions, 1, to, shape.Outputs, shape.Positions, _columns);
                    if (!db.IsEmpty)
                    {
                        AddBiases(to, biases);
                    }
                }

                Multiply(image, gradient, sum, count);
            }

            Collect(sum, pdw);
            if (!db.IsEmpty)
            {
                new ReadOnlySpan<float>(biases, shape.Outputs).CopyTo(db);
            }
        }
    }

    // (C, H, W) → (H, W, C) within a border of zeros
    private void Transpose(float* from, float* to)
    {
        if (shape.Padding > 0)
        {
            new Span<float>(to, ImageStep).Clear();
        }

        for (var row = 0; row < shape.Height; row++)
        {
            var write = to + ((long)(row + shape.Padding) * _rowStep) + (shape.Padding * shape.Channels);
            if (shape.Channels % VectorMap.Lanes == 0)
            {
                PanelPacking.Run(from + ((long)row * shape.Width), shape.Height * shape.Width, 1, write, shape.Channels, shape.Width, shape.Channels);
            }
            else
            {
                Transposition.Run(from + ((long)row * shape.Width), shape.Height * shape.Width, shape.Channels, shape.Width, write, shape.Channels);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddBiases(float* gradient, float* sums)
    {
        // Two sums at a time: each addition waits for the one before it.
        var column = 0;
        for (; column <= _columns - (2 * VectorMap.Lanes); column += 2 * VectorMap.Lanes)
        {
            var (left, right) = (Vector512.Load(sums + column), Vector512.Load(sums + column + VectorMap.Lanes));
            var from = gradient + column;
            for (var position = 0; position < shape.Positions; position++, from += _columns)
            {
                left += Vector512.Load(from);
                right += Vector512.Load(from + VectorMap.Lanes);
            }

            left.Store(sums + column);
            right.Store(sums + column + VectorMap.Lanes);
        }

        if (column < _columns)
        {
            var sum = Vector512.Load(sums + column);
            var from = gradient + column;
            for (var position = 0; position < shape.Positions; position++, from += _columns)
            {
                sum += Vector512.Load(from);
            }

            sum.Store(sums + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(float* images, float* gradients, float* sums, int count)
    {
        var lines = shape.Kernel * shape.Channels;
        var step = shape.Stride * shape.Channels;
        var path = new TilePath(step, _columns, shape.OutputWidth, shape.OutputHeight, (shape.Stride * _rowStep) - (shape.OutputWidth * step));
        for (var ky = 0; ky < shape.Kernel; ky++)
        {
            for (var line = 0; line < lines; line += tiling.Rows)
            {
                var height = tiling.Height(Math.Min(tiling.Rows, lines - line));
                var a = images + ((long)ky * _rowStep) + line;
                var c = sums + (((long)(ky * _lines) + line) * _columns);
                for (var column = 0; column < shape.Outputs; column += tiling.Columns)
                {
                    for (var image = 0; image < count; image++)
                    {
                        tiling.Multiply(
                            height, a + ((long)image * ImageStep), gradients + ((long)image * GradientStep) + column, c + column, _columns, path, load: true);
                    }
                }
            }
        }
    }

    // (ky, kx, c, O) → (O, c, ky, kx)
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Collect(float* sums, float* dw)
    {
        for (var o = 0; o < shape.Outputs; o++)
        {
            for (var c = 0; c < shape.Channels; c++)
            {
                for (var ky = 0; ky < shape.Kernel; ky++)
                {
                    var from = sums + (((long)(ky * _lines) + c) * _columns) + o;
                    for (var kx = 0; kx < shape.Kernel; kx++)
                    {
                        *dw++ = from[(long)kx * shape.Channels * _columns];
                    }
                }
            }
        }
    }
}
