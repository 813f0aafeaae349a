using System.Runtime.CompilerServices;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Matrix products of row-major matrices: c = a·bᵀ, a·b, aᵀ·b. Each element is one chain of fused multiply-adds over k
/// in order, from 0 (or from c when accumulating): the same bits for every vector width, tile and block.
/// Panels are packed so that the tile reads both operands in a straight line (Goto, van de Geijn 2008); each panel of B is packed
/// right before its use for a block of rows, by the first of these tiles where B's rows lie side by side.
/// </summary>
public static unsafe class MatrixProduct
{
    // A panel of B (512 × 32 floats, 64 KB) and the tile's panel of A (24 KB) stay in the second-level cache.
    private const int KBlock = 512;

    // 264 = 22 · 12 = 44 · 6 = 66 · 4: whole tiles for every width; 264 × 512 floats are half of a second-level cache of 1 MB,
    // and batches of 256 rows are one block. Where k is less, as many times more rows fit.
    private const int MBlock = 264;

    // Where the result is so narrow, an operand A whose rows lie one behind the other is read in place: packing it would
    // cost as much as the products.
    private const int Narrow = 64;

    [ThreadStatic]
    private static float[]? _panelsA;

    [ThreadStatic]
    private static float[]? _panelB;

    /// <summary>c(M,N) = a(M,K) · b(N,K)ᵀ.</summary>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void MultiplyByTransposed(
        ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        if (accumulate)
        {
            Run(Tiling.Hardware, a, k, 1, b, 1, k, c, m, n, k, accumulate);
        }
        else
        {
            RunTransposed(Tiling.Hardware, a, b, c, m, n, k, default(NoEpilogue));
        }
    }

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
        CheckSizes(a, b, c, m, n, k);
        if (m == 0 || n == 0)
        {
            return;
        }

        var kBlock = Math.Min(k, KBlock);
        var mBlock = MBlock * Math.Max(1, KBlock / Math.Max(1, kBlock));
        var panelsA = Scratch.Room(ref _panelsA, PanelPacking.Elements(Math.Min(m, mBlock), kBlock, tiling.Rows));
        var panelB = Scratch.Room(ref _panelB, PanelPacking.Elements(Math.Min(n, tiling.Columns), kBlock, tiling.Columns));
        fixed (float* pa = a, pb = b, pc = c, packedA = panelsA, packedB = panelB)
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

            var inPlace = aColumn == 1 && n <= Narrow;
            for (var m0 = 0; m0 < m; m0 += mBlock)
            {
                var rows = Math.Min(mBlock, m - m0);
                for (var k0 = 0; k0 < k; k0 += KBlock)
                {
                    var depth = Math.Min(KBlock, k - k0);
                    var block = new Block(pc, n, m0, rows, depth, load: accumulate || k0 > 0, last: k0 + depth == k);
                    var fromA = pa + ((long)m0 * aRow) + ((long)k0 * aColumn);
                    var rowsA = new RowsOfA(tiling, fromA, aRow, aColumn, packedA, block, inPlace);
                    for (var n0 = 0; n0 < n; n0 += tiling.Columns)
                    {
                        var from = new ColumnsOfB(pb + ((long)k0 * bRow) + ((long)n0 * bColumn), bRow, bColumn, packedB, lookAhead: k >= m);
                        MultiplyPanel(tiling, rowsA, from, block, n0, epilogue);
                    }
                }
            }
        }
    }

    /// <summary>c(M,N) = a(M,K) · b(N,K)ᵀ and the epilogue on the result: the other way round where that is faster.</summary>
    internal static void RunTransposed<TEpilogue>(
        Tiling tiling, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        if (n < TransposedProduct.Group || m == 0 || k == 0)
        {
            Run(tiling, a, k, 1, b, 1, k, c, m, n, k, accumulate: false, epilogue);
            return;
        }

        CheckSizes(a, b, c, m, n, k);
        fixed (float* pa = a, pb = b, pc = c)
        {
            TransposedProduct.Run(tiling, pa, pb, pc, m, n, k, epilogue);
        }
    }

    /// <summary>A block of rows of the result, and the k that it is summed over.</summary>
    private readonly struct Block(float* result, int rowLength, int firstRow, int rows, int depth, bool load, bool last)
    {
        public readonly float* Result = result;
        public readonly int RowLength = rowLength;
        public readonly int FirstRow = firstRow;
        public readonly int Rows = rows;
        public readonly int Depth = depth;

        /// <summary>Whether it goes on from what stands there.</summary>
        public readonly bool Load = load;

        /// <summary>Whether it is whole afterwards.</summary>
        public readonly bool Last = last;
    }

    /// <summary>A block's rows of A: packed, or where they lie, and then only those that fill no tile are packed.</summary>
    private readonly struct RowsOfA
    {
        private readonly float* _from;
        private readonly float* _packed;
        private readonly int _line;
        private readonly int _depth;

        /// <summary>So many rows are read where they lie.</summary>
        public readonly int InPlace;

        /// <summary>How a tile walks over these.</summary>
        public readonly TilePath PathInPlace;

        /// <summary>How a tile walks over the others.</summary>
        public readonly TilePath PathPacked;

        public RowsOfA(Tiling tiling, float* from, int lineStep, int kStep, float* packed, in Block block, bool inPlace)
        {
            _from = from;
            _packed = packed;
            _line = lineStep;
            _depth = block.Depth;
            InPlace = inPlace ? block.Rows / tiling.Rows * tiling.Rows : 0;
            PathInPlace = new TilePath(1, tiling.Columns, block.Depth, ALine: lineStep);
            PathPacked = new TilePath(tiling.Rows, tiling.Columns, block.Depth);
            PanelPacking.Run(from + ((long)InPlace * lineStep), lineStep, kStep, packed, block.Rows - InPlace, block.Depth, tiling.Rows);
        }

        /// <summary>Where the rows of a tile begin.</summary>
        public float* Tile(int row) => row < InPlace ? _from + ((long)row * _line) : _packed + ((long)(row - InPlace) * _depth);
    }

    /// <summary>A panel's columns of B, and where they are packed.</summary>
    private readonly struct ColumnsOfB(float* from, int row, int column, float* packed, bool lookAhead)
    {
        public readonly float* From = from;
        public readonly int Row = row;
        public readonly int Column = column;
        public readonly float* Packed = packed;
        public readonly bool LookAhead = lookAhead;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyPanel<TEpilogue>(Tiling tiling, in RowsOfA a, in ColumnsOfB b, in Block block, int firstColumn, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        var edge = stackalloc float[Tiling.MaximumElements];
        var (tileRows, tileColumns, rowLength, depth) = (tiling.Rows, tiling.Columns, block.RowLength, block.Depth);
        var width = Math.Min(tileColumns, rowLength - firstColumn);
        var tileWidth = tiling.Width(width);

        // The first tile packs what it reads, if it is a whole one.
        var pack = b.Column == 1 && width == tileColumns && block.Rows >= tileRows;
        if (!pack)
        {
            PanelPacking.Run(b.From, b.Column, b.Row, b.Packed, width, depth, tileColumns);
        }

        // What the tiles after it ask for: a panel further, each an eighth of the rows.
        var ahead = pack && b.LookAhead ? b.From + tileColumns : null;
        for (var i = 0; i < block.Rows; i += tileRows)
        {
            var panelA = a.Tile(i);
            ref readonly var path = ref i < a.InPlace ? ref a.PathInPlace : ref a.PathPacked;
            var to = block.Result + ((long)(block.FirstRow + i) * rowLength) + firstColumn;
            var height = Math.Min(tileRows, block.Rows - i);
            var tileHeight = tiling.Height(height);
            if (block.Last)
            {
                epilogue.Ahead(rowLength, block.FirstRow + i, firstColumn, height, width);
            }

            if (height != tileHeight || width != tileWidth)
            {
                // An edge tile goes through a small buffer, so that the tile itself needs no slow path.
                if (block.Load)
                {
                    CopyTile(to, rowLength, edge, tileColumns, height, width);
                }

                tiling.Multiply(tileHeight, tileWidth, panelA, b.Packed, edge, tileColumns, path, block.Load);
                CopyTile(edge, tileColumns, to, rowLength, height, width);
            }
            else if (pack && i == 0)
            {
                tiling.Multiply(height, width, panelA, b.From, to, rowLength, path, new PackingSteps(b.Row, b.Packed), block.Load);
            }
            else if (ahead != null && i <= 8 * tileRows)
            {
                var look = Lookahead.OfPanel(ahead + (((long)(i / tileRows) - 1) * (depth / 8) * b.Row), b.Row);
                tiling.Multiply(height, width, panelA, b.Packed, to, rowLength, path, new EvenStepsAhead(tileColumns, look), block.Load);
            }
            else
            {
                tiling.Multiply(height, width, panelA, b.Packed, to, rowLength, path, block.Load);
            }

            if (block.Last)
            {
                epilogue.Apply(to, rowLength, block.FirstRow + i, firstColumn, height, width);
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

    private static void CheckSizes(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ReadOnlySpan<float> c, int m, int n, int k)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        Check(a.Length, (long)m * k, "a", m, k);
        Check(b.Length, (long)n * k, "b", n, k);
        Check(c.Length, (long)m * n, "c", m, n);
    }

    private static void Check(int length, long needed, string name, int rows, int columns)
    {
        if (length < needed)
        {
            throw new ArgumentException($"matrix product: {name} has {length} elements, {rows}x{columns} needs {needed}.");
        }
    }
}
