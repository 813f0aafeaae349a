namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// The convolution of one layer: x(B,C,H,W), w(O,C,S,S), b(O), y(B,O,OH,OW). All of it is matrix products over patches
/// that are never written down; each element is one chain of fused multiply-adds in a fixed order (see
/// <see cref="Reference.ReferenceConvolution"/>), so the bits depend neither on the vector width nor on the images that
/// are computed together. The tables are laid out once; a warm call allocates nothing. Calls on several threads are safe.
/// </summary>
public sealed class Convolution
{
    private readonly Tiling _tiling;
    private readonly PatchProduct _forward;
    private readonly PatchProduct[] _backward;
    private readonly ConvolutionWeightGradient _weights;

    /// <summary>The convolution of this shape.</summary>
    /// <exception cref="ArgumentException">No window fits into the image.</exception>
    public Convolution(ConvolutionShape shape)
        : this(shape, Tiling.Hardware)
    {
    }

    internal Convolution(ConvolutionShape shape, Tiling tiling)
    {
        if (shape.Positions == 0 || shape.Stride < 1 || shape.Padding < 0)
        {
            throw new ArgumentException($"convolution: {shape} has no window. Check kernel, stride and padding.", nameof(shape));
        }

        Shape = shape;
        _tiling = tiling;
        _forward = ForwardProduct();
        _backward = BackwardProducts();
        _weights = new ConvolutionWeightGradient(shape, tiling);
    }

    /// <summary>The sizes.</summary>
    public ConvolutionShape Shape { get; }

    /// <summary>y = w ∗ x + b.</summary>
    /// <param name="x">Inputs (B,C,H,W).</param>
    /// <param name="w">Weights (O,C,S,S).</param>
    /// <param name="b">Biases (O), or empty.</param>
    /// <param name="y">Outputs (B,O,OH,OW), overwritten.</param>
    /// <param name="rows">B.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> w, ReadOnlySpan<float> b, Span<float> y, int rows)
    {
        Check(x.Length, (long)rows * Shape.InputElements, "x");
        Check(y.Length, (long)rows * Shape.OutputElements, "y");
        Check(w.Length, (long)Shape.Outputs * Shape.Depth, "w");
        Check(b.IsEmpty ? Shape.Outputs : b.Length, Shape.Outputs, "b");
        _forward.Run(w, b, x[..(rows * Shape.InputElements)], y, rows);
    }

    /// <summary>dx: each input collects dy · w over the outputs that read it.</summary>
    /// <param name="dy">Upstream gradient (B,O,OH,OW).</param>
    /// <param name="w">Weights (O,C,S,S).</param>
    /// <param name="dx">Gradient by the inputs (B,C,H,W), overwritten.</param>
    /// <param name="rows">B.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public void BackwardInput(ReadOnlySpan<float> dy, ReadOnlySpan<float> w, Span<float> dx, int rows)
    {
        Check(dy.Length, (long)rows * Shape.OutputElements, "dy");
        Check(dx.Length, (long)rows * Shape.InputElements, "dx");
        Check(w.Length, (long)Shape.Outputs * Shape.Depth, "w");
        foreach (var product in _backward)
        {
            product.Run(w, [], dy[..(rows * Shape.OutputElements)], dx, rows);
        }
    }

    /// <summary>dw and db, summed over the rows and positions in order.</summary>
    /// <param name="x">Inputs (B,C,H,W).</param>
    /// <param name="dy">Upstream gradient (B,O,OH,OW).</param>
    /// <param name="dw">Gradient by the weights (O,C,S,S), overwritten.</param>
    /// <param name="db">Gradient by the biases (O), overwritten; or empty.</param>
    /// <param name="rows">B.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public void BackwardWeights(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dw, Span<float> db, int rows)
    {
        Check(x.Length, (long)rows * Shape.InputElements, "x");
        Check(dy.Length, (long)rows * Shape.OutputElements, "dy");
        Check(dw.Length, (long)Shape.Outputs * Shape.Depth, "dw");
        Check(db.IsEmpty ? Shape.Outputs : db.Length, Shape.Outputs, "db");
        _weights.Run(x, dy, dw, db, rows);
    }

    // y(O, positions) = w(O, k) · patches(k, positions), k = (c, ky, kx)
    private PatchProduct ForwardProduct()
    {
        var (size, stride, padding) = (Shape.Kernel, Shape.Stride, Shape.Padding);
        var padded = new PaddedImage(
            Shape.Channels, Shape.Height, Shape.Width, padding, Shape.Height + (2 * padding), Shape.Width + (2 * padding), stride);
        var source = new int[Shape.Depth];
        var weights = new int[Shape.Depth];
        for (var k = 0; k < source.Length; k++)
        {
            source[k] = padded.Offset(k / (size * size), k / size % size, k % size);
            weights[k] = k;
        }

        var grid = new PatchGrid(Shape.OutputHeight, Shape.OutputWidth, 0, 0, Shape.OutputWidth, 1);
        return new PatchProduct(_tiling, padded, grid, source, weights, Shape.Outputs, Shape.Depth, Shape.Positions);
    }

    // Input rows whose row plus padding is y mod stride are read by the taps ky = y, y + stride, … alone: one product for
    // each such phase of rows and columns. dx(C, inputs) = w(C, k) · patches of dy(k, inputs), k = (o, ky, kx)
    private PatchProduct[] BackwardProducts()
    {
        var (size, stride, padding) = (Shape.Kernel, Shape.Stride, Shape.Padding);
        var border = (size - 1) / stride;
        var padded = new PaddedImage(
            Shape.Outputs,
            Shape.OutputHeight,
            Shape.OutputWidth,
            border,
            border + Math.Max(Shape.OutputHeight, ((Shape.Height - 1 + padding) / stride) + 1),
            border + Math.Max(Shape.OutputWidth, ((Shape.Width - 1 + padding) / stride) + 1),
            1);
        var products = new List<PatchProduct>();
        for (var y = 0; y < stride; y++)
        {
            for (var x = 0; x < stride; x++)
            {
                if (BackwardGrid(padded, border, y, x) is { Rows: > 0, Columns: > 0 } grid)
                {
                    var (source, weights) = BackwardOffsets(padded, y, x);
                    products.Add(new PatchProduct(
                        _tiling, padded, grid, source, weights, Shape.Channels, size * size, Shape.Height * Shape.Width));
                }
            }
        }

        return [.. products];
    }

    // The inputs of a phase are those at first, first + stride, …; the outputs that they meet follow one another.
    private PatchGrid BackwardGrid(PaddedImage padded, int border, int y, int x)
    {
        var (stride, padding) = (Shape.Stride, Shape.Padding);
        var (row, column) = ((stride - (padding % stride) + y) % stride, (stride - (padding % stride) + x) % stride);
        return new PatchGrid(
            (Shape.Height - row + stride - 1) / stride,
            (Shape.Width - column + stride - 1) / stride,
            padded.Offset(0, ((row + padding) / stride) + border, ((column + padding) / stride) + border),
            (row * Shape.Width) + column,
            stride * Shape.Width,
            stride);
    }

    private (int[] Source, int[] Weights) BackwardOffsets(PaddedImage padded, int y, int x)
    {
        var (source, weights) = (new List<int>(), new List<int>());
        for (var o = 0; o < Shape.Outputs; o++)
        {
            for (var ky = y; ky < Shape.Kernel; ky += Shape.Stride)
            {
                for (var kx = x; kx < Shape.Kernel; kx += Shape.Stride)
                {
                    source.Add((o * padded.ChannelStep) - (ky / Shape.Stride * padded.RowStep) - (kx / Shape.Stride));
                    weights.Add((o * Shape.Depth) + (ky * Shape.Kernel) + kx);
                }
            }
        }

        return ([.. source], [.. weights]);
    }

    private void Check(int length, long needed, string name)
    {
        if (length < needed)
        {
            throw new ArgumentException($"convolution: {name} has {length} elements, {Shape} needs {needed}.");
        }
    }
}
