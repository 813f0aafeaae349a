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

    // 264 = 22 · 12 = 44 · 6 = 66 · 4: whole tiles for every width; 264 × 512 floats are half of a second-level cache of 1 MB,
    // and batches of 256 rows are one block.
    private const int MBlock = 264;

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

    /// <summary>c(M,N) = a(M,K) · b(K,N) with steps between rows and between columns of a and b (one of each is 1), by tiles of the caller's choice.</summary>
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
        bool accumulate) =>
        Run(tiling, a, aRow, aColumn, b, bRow, bColumn, c, m, n, k, accumulate, default(NoEpilogue));

    /// <summary>The same, and the epilogue on the result.</summary>
    internal static void Run<TEpilogue>(
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
        bool accumulate,
        TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        Check(a.Length, (long)m * k, "a", m, k);
        Check(b.Length, (long)n * k, "b", n, k);
        Check(c.Length, (long)m * n, "c", m, n);
        if (m == 0 || n == 0)
        {
            return;
        }

        var kBlock = Math.Min(k, KBlock);
        var panelsA = Scratch.Room(ref _panelsA, PanelPacking.Elements(Math.Min(m, MBlock), kBlock, tiling.Rows));
        var panelsB = Scratch.Room(ref _panelsB, PanelPacking.Elements(Math.Min(n, NBlock), kBlock, tiling.Columns));
        fixed (float* pa = a, pb = b, pc = c, packedA = panelsA, packedB = panelsB)
        {
            if (k == 0)
            {
                if (!accumulate)
                {
                    c[..(m * n)].Clear();
                }

                epilogue.Apply(pc, n, 0, 0, m, n);
                return;
            }

            // Where all rows of A fit into one block, each panel of B is packed right before its only use.
            var once = m <= MBlock;
            var nBlock = once ? tiling.Columns : NBlock;
            for (var k0 = 0; k0 < k; k0 += KBlock)
            {
                var depth = Math.Min(KBlock, k - k0);
                for (var n0 = 0; n0 < n; n0 += nBlock)
                {
                    var columns = Math.Min(nBlock, n - n0);
                    PanelPacking.Run(pb + ((long)k0 * bRow) + ((long)n0 * bColumn), bColumn, bRow, packedB, columns, depth, tiling.Columns);
                    for (var m0 = 0; m0 < m; m0 += MBlock)
                    {
                        var rows = Math.Min(MBlock, m - m0);
                        if (n0 == 0 || !once)
                        {
                            PanelPacking.Run(pa + ((long)m0 * aRow) + ((long)k0 * aColumn), aRow, aColumn, packedA, rows, depth, tiling.Rows);
                        }

                        var block = new Block(pc, n, m0, n0, rows, columns, depth);
                        MultiplyPanels(tiling, packedA, packedB, block, accumulate || k0 > 0, k0 + depth == k, epilogue);
                    }
                }
            }
        }
    }

    /// <summary>A block of the result: where it lies, and over how many k it is summed.</summary>
    private readonly struct Block(float* result, int rowLength, int firstRow, int firstColumn, int rows, int columns, int depth)
    {
        public readonly float* Result = result;
        public readonly int RowLength = rowLength;
        public readonly int FirstRow = firstRow;
        public readonly int FirstColumn = firstColumn;
        public readonly int Rows = rows;
        public readonly int Columns = columns;
        public readonly int Depth = depth;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyPanels<TEpilogue>(
        Tiling tiling, float* a, float* b, in Block block, bool load, bool last, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        var edge = stackalloc float[Tiling.MaximumElements];
        var (tileRows, tileColumns, rowLength) = (tiling.Rows, tiling.Columns, block.RowLength);
        var path = new TilePath(tileRows, tileColumns, block.Depth);
        for (var j = 0; j < block.Columns; j += tileColumns)
        {
            var panelB = b + ((long)j * block.Depth);
            var width = Math.Min(tileColumns, block.Columns - j);
            var tileWidth = tiling.Width(width);
            for (var i = 0; i < block.Rows; i += tileRows)
            {
                var panelA = a + ((long)i * block.Depth);
                var to = block.Result + ((long)(block.FirstRow + i) * rowLength) + block.FirstColumn + j;
                var height = Math.Min(tileRows, block.Rows - i);
                var tileHeight = tiling.Height(height);
                if (height == tileHeight && width == tileWidth)
                {
                    tiling.Multiply(height, width, panelA, panelB, to, rowLength, path, load);
                }
                else
                {
                    // An edge tile goes through a small buffer, so that the tile itself needs no slow path.
                    if (load)
                    {
                        CopyTile(to, rowLength, edge, tileColumns, height, width);
                    }

                    tiling.Multiply(tileHeight, tileWidth, panelA, panelB, edge, tileColumns, path, load);
                    CopyTile(edge, tileColumns, to, rowLength, height, width);
                }

                if (last)
                {
                    epilogue.Apply(to, rowLength, block.FirstRow + i, block.FirstColumn + j, height, width);
                }
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
