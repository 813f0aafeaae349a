using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>One column of a patch product: a place in the padded image and the place of the result in the image that is written.</summary>
/// <param name="Source">Element of the padded image at which the offsets of k begin.</param>
/// <param name="Destination">Element of the written image, in its first plane.</param>
internal readonly record struct PatchColumn(int Source, int Destination);

/// <summary>
/// c(M, columns) = a(M,K) · patches(K, columns), where patch element (k, column) is the padded image's element
/// Source(column) + offset(k): a convolution as a matrix product that never writes its patches down. They are packed
/// straight into the panel that the tile reads, 16 columns at a time. As in <see cref="MatrixProduct"/>, each element is
/// one chain of fused multiply-adds over k in order, whatever the tile, the panel and the images computed together.
/// Source of the layout: Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014.
/// </summary>
internal sealed unsafe class PatchProduct
{
    private const int KBlock = 512;
    private const int ChunkLength = 16;

    [ThreadStatic]
    private static float[]? _panelsA;

    [ThreadStatic]
    private static float[]? _panelB;

    [ThreadStatic]
    private static float[]? _images;

    private readonly Tiling _tiling;
    private readonly PaddedImages _padded;
    private readonly int _lines;
    private readonly int _lineStep;
    private readonly int _planeStep;
    private readonly int _columnStep;
    private readonly int _columns;
    private readonly int[] _weightOffsets;
    private readonly int[] _sourceOffsets;
    private readonly PanelPieces _chunks;
    private readonly PanelPieces _stores;

    /// <summary>Lays out the tables once.</summary>
    /// <param name="tiling">The tile.</param>
    /// <param name="padded">The padded images that are read.</param>
    /// <param name="columns">The columns of one image.</param>
    /// <param name="sourceOffsets">For each k, where its element lies from a column's source on.</param>
    /// <param name="weightOffsets">For each k, where its weight lies from a line's first weight on.</param>
    /// <param name="lines">M: planes of the written image.</param>
    /// <param name="lineStep">From a line's first weight to the next line's.</param>
    /// <param name="planeStep">Elements of a written plane.</param>
    /// <param name="columnStep">Step between neighbouring results in a written row.</param>
    public PatchProduct(
        Tiling tiling,
        PaddedImages padded,
        IReadOnlyList<PatchColumn> columns,
        int[] sourceOffsets,
        int[] weightOffsets,
        int lines,
        int lineStep,
        int planeStep,
        int columnStep)
    {
        (_tiling, _padded, _columns, _sourceOffsets, _weightOffsets) = (tiling, padded, columns.Count, sourceOffsets, weightOffsets);
        (_lines, _lineStep, _planeStep, _columnStep) = (lines, lineStep, planeStep, columnStep);
        _chunks = new PanelPieces(tiling.Columns);
        _stores = new PanelPieces(tiling.Columns);
        for (var image = 0; image < padded.Group; image++)
        {
            foreach (var column in columns)
            {
                _chunks.Add(column.Source + (image * padded.ImageStep), 1, ChunkLength);
                _stores.Add(column.Destination + (image * planeStep * lines), columnStep, tiling.Columns);
            }
        }

        _chunks.Close();
        _stores.Close();
    }

    /// <summary>Computes whole images; overwrites.</summary>
    /// <param name="weights">The weights that the offsets point into.</param>
    /// <param name="bias">Added to each plane after the last k (M), or empty.</param>
    /// <param name="images">Images that are read, without their borders.</param>
    /// <param name="results">Images that are written.</param>
    /// <param name="count">How many.</param>
    public void Run(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> images, Span<float> results, int count)
    {
        // The bias is one more k, whose patch element is 1: the same rounding as an addition, without a pass over the results.
        var depth = _sourceOffsets.Length + (bias.IsEmpty ? 0 : 1);
        var lines = Scratch.RoundUp(_lines, _tiling.Rows);
        var imageElements = count == 0 ? 0 : images.Length / count;
        var roomA = Scratch.Room(ref _panelsA, checked(lines * depth));
        var roomB = Scratch.Room(ref _panelB, (Math.Min(depth, KBlock) * _tiling.Columns) + ChunkLength);
        var roomImages = Scratch.Room(ref _images, _padded.Elements);
        var edge = stackalloc float[Tiling.MaximumElements];
        fixed (float* w = weights, b = bias, c = results, panelsA = roomA, panelB = roomB, source = roomImages)
        {
            PackWeights(w, b, panelsA, depth);
            for (var first = 0; first < count; first += _padded.Group)
            {
                var group = Math.Min(_padded.Group, count - first);
                _padded.Fill(images.Slice(first * imageElements, group * imageElements), roomImages, group);
                var to = c + ((long)first * _planeStep * _lines);
                var columns = group * _columns;
                for (var panel = 0; panel * _tiling.Columns < columns; panel++)
                {
                    var width = Math.Min(_tiling.Columns, columns - (panel * _tiling.Columns));
                    var k0 = 0;
                    do
                    {
                        var block = Math.Min(KBlock, depth - k0);
                        PackPatches(panel, source, panelB, k0, block);
                        MultiplyPanel(panel, width, panelsA + ((long)k0 * lines), panelB, to, edge, block, k0 > 0);
                        k0 += KBlock;
                    }
                    while (k0 < depth);
                }
            }
        }
    }

    /// <summary>All weights as panels of whole tiles, one block of k after the other; the bias stands behind the last k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackWeights(float* weights, float* bias, float* packed, int depth)
    {
        var width = _tiling.Rows;
        for (var k0 = 0; k0 < depth; k0 += KBlock)
        {
            var end = Math.Min(depth, k0 + KBlock);
            for (var first = 0; first < _lines; first += width, packed += (long)width * (end - k0))
            {
                for (var line = 0; line < width; line++)
                {
                    var write = packed + line;
                    var from = weights + ((long)(first + line) * _lineStep);
                    for (var k = k0; k < end; k++, write += width)
                    {
                        *write = first + line >= _lines ? 0 : k < _weightOffsets.Length ? from[_weightOffsets[k]] : bias[first + line];
                    }
                }
            }
        }
    }

    /// <summary>
    /// One panel of patches. A chunk is always copied whole: what it writes too much is overwritten by the chunk or by
    /// the k that comes next, and behind the last one there is room.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackPatches(int panel, float* source, float* packed, int k0, int depth)
    {
        var width = _tiling.Columns;
        var end = Math.Min(_sourceOffsets.Length, k0 + depth);
        fixed (int* offsets = _sourceOffsets, starts = _chunks.Places, columns = _chunks.Columns)
        {
            var (first, last) = (_chunks.First[panel], _chunks.First[panel + 1]);
            for (var k = k0; k < end; k++, packed += width)
            {
                var from = source + offsets[k];
                for (var i = first; i < last; i++)
                {
                    Vector512.Load(from + starts[i]).Store(packed + columns[i]);
                }
            }
        }

        if (end < k0 + depth)
        {
            new Span<float>(packed, width).Fill(1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyPanel(int panel, int width, float* a, float* b, float* to, float* edge, int depth, bool load)
    {
        var path = new TilePath(_tiling.Rows, _tiling.Columns, depth);
        var first = _stores.First[panel];
        var whole = width == _tiling.Columns && _columnStep == 1 && _stores.First[panel + 1] == first + 1;
        for (var line = 0; line < _lines; line += _tiling.Rows, a += (long)_tiling.Rows * depth)
        {
            var rows = Math.Min(_tiling.Rows, _lines - line);
            var height = _tiling.Height(rows);
            var plane = to + ((long)line * _planeStep);
            if (whole && rows == height)
            {
                _tiling.Multiply(height, a, b, plane + _stores.Places[first], _planeStep, path, load);
                continue;
            }

            // A panel that crosses an image or a row, and planes that fill no tile, go through a small buffer.
            if (load)
            {
                Scatter(panel, width, plane, edge, rows, fromEdge: false);
            }

            _tiling.Multiply(height, a, b, edge, _tiling.Columns, path, load);
            Scatter(panel, width, plane, edge, rows, fromEdge: true);
        }
    }

    private void Scatter(int panel, int width, float* plane, float* edge, int rows, bool fromEdge)
    {
        for (var i = _stores.First[panel]; i < _stores.First[panel + 1]; i++)
        {
            var column = _stores.Columns[i];
            var length = Math.Min(_stores.Lengths[i], width - column);
            for (var row = 0; row < rows && length > 0; row++)
            {
                var outside = plane + ((long)row * _planeStep) + _stores.Places[i];
                var inside = edge + (row * _tiling.Columns) + column;
                if (_columnStep == 1)
                {
                    var from = fromEdge ? inside : outside;
                    var to = fromEdge ? outside : inside;
                    new ReadOnlySpan<float>(from, length).CopyTo(new Span<float>(to, length));
                    continue;
                }

                for (var x = 0; x < length; x++)
                {
                    if (fromEdge)
                    {
                        outside[(long)x * _columnStep] = inside[x];
                    }
                    else
                    {
                        inside[x] = outside[(long)x * _columnStep];
                    }
                }
            }
        }
    }
}
