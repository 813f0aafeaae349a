using System.Runtime.CompilerServices;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Matrix products of row-major matrices: c = a·bᵀ, a·b, aᵀ·b. Each element is one chain of fused multiply-adds over k
/// in order, from 0 (or from c when accumulating): the same bits for every vector width, tile and block.
/// Panels are packed so that the tile reads both operands in a straight line (Goto, van de Geijn 2008).
/// </summary>
public static unsafe class MatrixProduct
{
    // A panel of B (512 × 32 floats, 64 KB) and the tile's panel of A (24 KB) stay in the second-level cache.
    private const int KBlock = 512;

    // 240 = 20 · 12 = 40 · 6 = 60 · 4: whole tiles for every width; 240 × 512 floats are half of the second-level cache.
    private const int MBlock = 240;

    // Bounds the panels of B to 8 MB, however many columns there are; layers are narrower than one block.
    private const int NBlock = 4096;

    [ThreadStatic]
    private static float[]? _panelsA;

    [ThreadStatic]
    private static float[]? _panelsB;

    /// <summary>c(M,N) = a(M,K) · b(N,K)ᵀ.</summary>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void MultiplyByTransposed(
        ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false) =>
        Run(Tiling.Hardware, a, k, 1, b, 1, k, c, m, n, k, accumulate);

    /// <summary>c(M,N) = a(M,K) · b(K,N).</summary>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Multiply(
        ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false) =>
        Run(Tiling.Hardware, a, k, 1, b, n, 1, c, m, n, k, accumulate);

    /// <summary>c(M,N) = a(K,M)ᵀ · b(K,N).</summary>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void TransposedMultiply(
        ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false) =>
        Run(Tiling.Hardware, a, 1, m, b, n, 1, c, m, n, k, accumulate);

    /// <summary>c(M,N) = a(M,K) · b(K,N) with any steps between rows and between columns of a and b, by tiles of the caller's choice.</summary>
    internal static void Run(
        Tiling tiling,
        ReadOnlySpan<float> a,
        int aRow,
        int aColumn,
        ReadOnlySpan<float> b,
        int bRow,
        int bColumn,
        Span<float> c,
        int m,
        int n,
        int k,
        bool accumulate)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        Check(a.Length, (long)m * k, "a", m, k);
        Check(b.Length, (long)n * k, "b", n, k);
        Check(c.Length, (long)m * n, "c", m, n);
        if (!accumulate)
        {
            c[..(m * n)].Clear();
        }

        if (m == 0 || n == 0 || k == 0)
        {
            return;
        }

        var kBlock = Math.Min(k, KBlock);
        var panelsA = Scratch.Room(ref _panelsA, Scratch.RoundUp(Math.Min(m, MBlock), tiling.Rows) * kBlock);
        var panelsB = Scratch.Room(ref _panelsB, Scratch.RoundUp(Math.Min(n, NBlock), tiling.Columns) * kBlock);
        fixed (float* pa = a, pb = b, pc = c, packedA = panelsA, packedB = panelsB)
        {
            for (var k0 = 0; k0 < k; k0 += KBlock)
            {
                var depth = Math.Min(KBlock, k - k0);
                for (var n0 = 0; n0 < n; n0 += NBlock)
                {
                    var columns = Math.Min(NBlock, n - n0);
                    Pack(pb + ((long)k0 * bRow) + ((long)n0 * bColumn), bColumn, bRow, packedB, columns, depth, tiling.Columns);
                    for (var m0 = 0; m0 < m; m0 += MBlock)
                    {
                        var rows = Math.Min(MBlock, m - m0);
                        Pack(pa + ((long)m0 * aRow) + ((long)k0 * aColumn), aRow, aColumn, packedA, rows, depth, tiling.Rows);
                        MultiplyPanels(tiling, packedA, packedB, pc + ((long)m0 * n) + n0, n, rows, columns, depth, accumulate || k0 > 0);
                    }
                }
            }
        }
    }

    /// <summary>
    /// Lays out <paramref name="lines"/> rows of A (or columns of B) in panels of <paramref name="width"/> lines, k
    /// running slowest within a panel; the last panel is filled up with zeros, whose products are never stored.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(float* source, int lineStep, int kStep, float* packed, int lines, int depth, int width)
    {
        for (var first = 0; first < lines; first += width, packed += (long)width * depth)
        {
            var count = Math.Min(width, lines - first);
            var from = source + ((long)first * lineStep);
            if (lineStep == 1)
            {
                for (var p = 0; p < depth; p++)
                {
                    var to = new Span<float>(packed + ((long)p * width), width);
                    new ReadOnlySpan<float>(from + ((long)p * kStep), count).CopyTo(to);
                    to[count..].Clear();
                }

                continue;
            }

            for (var line = 0; line < count; line++)
            {
                var read = from + ((long)line * lineStep);
                var write = packed + line;
                for (var p = 0; p < depth; p++, write += width)
                {
                    *write = read[(long)p * kStep];
                }
            }

            for (var line = count; line < width; line++)
            {
                var write = packed + line;
                for (var p = 0; p < depth; p++, write += width)
                {
                    *write = 0;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyPanels(Tiling tiling, float* a, float* b, float* c, int rowLength, int rows, int columns, int depth, bool load)
    {
        var edge = stackalloc float[Tiling.MaximumElements];
        var (tileRows, tileColumns) = (tiling.Rows, tiling.Columns);
        var path = new TilePath(tileRows, tileColumns, depth);
        for (var j = 0; j < columns; j += tileColumns)
        {
            var panelB = b + ((long)j * depth);
            var width = Math.Min(tileColumns, columns - j);
            for (var i = 0; i < rows; i += tileRows)
            {
                var panelA = a + ((long)i * depth);
                var to = c + ((long)i * rowLength) + j;
                var height = Math.Min(tileRows, rows - i);
                var tileHeight = tiling.Height(height);
                if (height == tileHeight && width == tileColumns)
                {
                    tiling.Multiply(height, panelA, panelB, to, rowLength, path, load);
                    continue;
                }

                // An edge tile goes through a small buffer, so that the tile itself needs no slow path.
                CopyTile(to, rowLength, edge, tileColumns, height, width);
                tiling.Multiply(tileHeight, panelA, panelB, edge, tileColumns, path, load);
                CopyTile(edge, tileColumns, to, rowLength, height, width);
            }
        }
    }

    private static void CopyTile(float* from, int fromColumns, float* to, int toColumns, int height, int width)
    {
        for (var i = 0; i < height; i++)
        {
            new ReadOnlySpan<float>(from + ((long)i * fromColumns), width).CopyTo(new Span<float>(to + ((long)i * toColumns), width));
        }
    }

    private static void Check(int length, long needed, string name, int rows, int columns)
    {
        if (length < needed)
        {
            throw new ArgumentException($"matrix product: {name} has {length} elements, {rows}x{columns} needs {needed}.");
        }
    }
}
