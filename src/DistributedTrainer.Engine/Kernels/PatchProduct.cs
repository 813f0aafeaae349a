using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// c(M, windows) = a(M,K) · patches(K, windows), where patch element (k, window) is the padded image's element
/// Source(window) + offset(k): a convolution as a matrix product that never writes its patches down, nor packs them.
/// For one k the elements of neighbouring windows are neighbours, so the tile reads them where they are. As in
/// <see cref="MatrixProduct"/>, each element is one chain of fused multiply-adds over k in order, whatever the tile.
/// Source of the idea: Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014.
/// </summary>
internal sealed unsafe class PatchProduct
{
    [ThreadStatic]
    private static float[]? _panelsA;

    [ThreadStatic]
    private static float[]? _image;

    private readonly Tiling _tiling;
    private readonly PaddedImage _padded;
    private readonly PatchPanels _panels;
    private readonly int _columnStep;
    private readonly int _lines;
    private readonly int _lineStep;
    private readonly int _planeStep;
    private readonly int _firstOffset;
    private readonly int[] _steps;
    private readonly int[] _weightOffsets;

    /// <summary>Lays out the tables once.</summary>
    /// <param name="tiling">The tile.</param>
    /// <param name="padded">The padded image that is read.</param>
    /// <param name="grid">The windows of one image.</param>
    /// <param name="sourceOffsets">For each k, where its element lies from a window's source on.</param>
    /// <param name="weightOffsets">For each k, where its weight lies from a line's first weight on.</param>
    /// <param name="lines">M: planes of the written image.</param>
    /// <param name="lineStep">From a line's first weight to the next line's.</param>
    /// <param name="planeStep">Elements of a written plane.</param>
    public PatchProduct(
        Tiling tiling, PaddedImage padded, in PatchGrid grid, int[] sourceOffsets, int[] weightOffsets, int lines, int lineStep, int planeStep)
    {
        (_tiling, _padded, _columnStep, _weightOffsets) = (tiling, padded, grid.ColumnStep, weightOffsets);
        (_lines, _lineStep, _planeStep) = (lines, lineStep, planeStep);
        _panels = new PatchPanels(grid, padded.RowStep, tiling);
        _steps = new int[sourceOffsets.Length];
        for (var k = 1; k < sourceOffsets.Length; k++)
        {
            _steps[k - 1] = sourceOffsets[k] - sourceOffsets[k - 1];
        }

        _firstOffset = sourceOffsets.Length == 0 ? 0 : sourceOffsets[0];
    }

    /// <summary>Computes whole images; overwrites.</summary>
    /// <param name="weights">The weights that the offsets point into.</param>
    /// <param name="bias">Added to each plane after the last k (M), or empty.</param>
    /// <param name="images">Images that are read, without their borders.</param>
    /// <param name="results">Images that are written.</param>
    /// <param name="count">How many.</param>
    public void Run(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> images, Span<float> results, int count)
    {
        var (depth, lines) = (_steps.Length, Scratch.RoundUp(_lines, _tiling.Rows));
        var imageElements = count == 0 ? 0 : images.Length / count;
        var roomA = Scratch.Room(ref _panelsA, checked((lines * depth) + lines));
        var roomImage = Scratch.Room(ref _image, _padded.Elements);
        roomImage.AsSpan(0, _padded.Elements).Clear();
        fixed (float* w = weights, from = images, to = results, panelsA = roomA, image = roomImage)
        {
            PackWeights(w, panelsA, depth);
            var addends = new Span<float>(panelsA + ((long)lines * depth), _lines);
            if (bias.IsEmpty)
            {
                // −0 leaves every number as it is; 0 would not leave −0.
                addends.Fill(-0f);
            }
            else
            {
                bias[.._lines].CopyTo(addends);
            }

            for (var i = 0; i < count; i++)
            {
                _padded.Fill(from + ((long)i * imageElements), image);
                Multiply(panelsA, panelsA + ((long)lines * depth), image, to + ((long)i * _planeStep * _lines));
            }
        }
    }

    /// <summary>All weights as panels of whole tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackWeights(float* weights, float* packed, int depth)
    {
        var width = _tiling.Rows;
        for (var first = 0; first < _lines; first += width, packed += (long)width * depth)
        {
            for (var line = 0; line < width; line++)
            {
                var write = packed + line;
                var from = weights + ((long)(first + line) * _lineStep);
                for (var k = 0; k < depth; k++, write += width)
                {
                    *write = first + line < _lines ? from[_weightOffsets[k]] : 0;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private void Multiply(float* a, float* addends, float* image, float* result)
    {
        var tile = stackalloc float[Tiling.MaximumElements];
        var path = new TilePath(_tiling.Rows, 0, _steps.Length);
        fixed (int* steps = _steps)
        {
            foreach (var panel in _panels.Panels)
            {
                var b = image + panel.Source + _firstOffset;
                var pieces = _panels.Pieces.AsSpan(panel.FirstPiece, panel.EndPiece - panel.FirstPiece);
                for (var line = 0; line < _lines; line += _tiling.Rows)
                {
                    var rows = Math.Min(_tiling.Rows, _lines - line);
                    _tiling.Multiply(
                        _tiling.Height(rows), panel.Width, a + ((long)line * path.Depth), b, tile, _tiling.Columns, path, new TableSteps(steps), load: false);
                    Store(tile, pieces, addends + line, result + ((long)line * _planeStep), rows);
                }
            }
        }
    }

    /// <summary>Adds the bias to a tile's windows and writes them to their places, short rows by two vectors that overlap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Store(float* tile, ReadOnlySpan<PatchPanels.Piece> pieces, float* addends, float* plane, int rows)
    {
        var (columns, planeStep, columnStep) = ((long)_tiling.Columns, (long)_planeStep, (long)_columnStep);
        foreach (var piece in pieces)
        {
            var from = tile + piece.Column;
            var to = plane + piece.Destination;
            var (row, length) = (0, piece.Length);
            if (columnStep > 1 || length < 4)
            {
                for (; row < rows; row++, from += columns, to += planeStep)
                {
                    for (var x = 0; x < length; x++)
                    {
                        to[x * columnStep] = from[x] + addends[row];
                    }
                }
            }
            else if (length >= 16)
            {
                for (; row < rows; row++, from += columns, to += planeStep)
                {
                    var addend = Vector512.Create(addends[row]);
                    (Vector512.Load(from) + addend).Store(to);
                    (Vector512.Load(from + length - 16) + addend).Store(to + length - 16);
                }
            }
            else if (length >= 8)
            {
                for (; row < rows; row++, from += columns, to += planeStep)
                {
                    var addend = Vector256.Create(addends[row]);
                    (Vector256.Load(from) + addend).Store(to);
                    (Vector256.Load(from + length - 8) + addend).Store(to + length - 8);
                }
            }
            else
            {
                for (; row < rows; row++, from += columns, to += planeStep)
                {
                    var addend = Vector128.Create(addends[row]);
                    (Vector128.Load(from) + addend).Store(to);
                    (Vector128.Load(from + length - 4) + addend).Store(to + length - 4);
                }
            }
        }
    }
}
