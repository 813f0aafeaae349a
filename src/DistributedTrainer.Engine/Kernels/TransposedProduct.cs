using System.Runtime.CompilerServices;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// c(M,N) = a(M,K) · b(N,K)ᵀ for a b that is large, such as a layer's weights: computed as cᵀ = b · aᵀ, so that a, the
/// smaller one, is packed, and b is read once, where it lies, some rows at a time. What is computed of cᵀ is turned
/// over a few rows at a time, between the tiles of what comes next: all at once would wait for memory, between tiles the
/// stores have time. Each element is the same chain of multiply-adds as elsewhere.
/// </summary>
internal static unsafe class TransposedProduct
{
    /// <summary>Columns of c that are turned over together: whole tiles for every width, and whole vectors for the epilogue.</summary>
    public const int Group = 48;

    // Rows of a at a time: 128 × 1024 floats of them are half of a second-level cache of 1 MB.
    private const int RowBlock = 128;

    // The packed part of a that the tiles of a group go over again and again, in floats: those 128 × 1024.
    private const int PackedElements = RowBlock * MaximumDepth;

    // Rows that are turned over after each tile: as many as there are tiles for, 4 · 32 columns of 12-row tiles in a group.
    private const int TurnedRows = 8;

    // Deeper than this a tile gains nothing.
    private const int MaximumDepth = 1024;

    [ThreadStatic]
    private static float[]? _packed;

    [ThreadStatic]
    private static float[]? _strip;

    [ThreadStatic]
    private static float[]? _result;

    public static void Run<TEpilogue>(Tiling tiling, float* a, float* b, float* c, int m, int n, int k, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        var padded = Scratch.RoundUp(Math.Min(m, RowBlock), tiling.Columns);
        var packed = Scratch.Room(ref _packed, PanelPacking.Elements(padded, k, tiling.Columns));
        var strip = Scratch.Room(ref _strip, PanelPacking.Elements(tiling.Rows, MaximumDepth, tiling.Rows));
        var result = Scratch.Room(ref _result, 2 * Group * padded);
        fixed (float* panels = packed, rest = strip, turned = result)
        {
            for (var m0 = 0; m0 < m; m0 += RowBlock)
            {
                var rows = Math.Min(RowBlock, m - m0);
                new Rows(tiling, a + ((long)m0 * k), rows, k, panels, rest, turned).Multiply(b, c + ((long)m0 * n), n, m0, epilogue);
            }
        }
    }

    /// <summary>A block of rows of a, packed for all of k.</summary>
    private readonly struct Rows
    {
        private readonly Tiling _tiling;
        private readonly int _rows;
        private readonly int _padded;
        private readonly int _depth;
        private readonly int _k;
        private readonly float* _panels;
        private readonly float* _strip;
        private readonly float* _result;

        public Rows(Tiling tiling, float* a, int rows, int k, float* panels, float* strip, float* result)
        {
            (_tiling, _rows, _k) = (tiling, rows, k);
            _panels = panels;
            _strip = strip;
            _result = result;
            _padded = Scratch.RoundUp(rows, tiling.Columns);
            _depth = Math.Min(MaximumDepth, PackedElements / _padded);
            for (var k0 = 0; k0 < k; k0 += _depth)
            {
                PanelPacking.Run(a + k0, k, 1, panels + ((long)k0 * _padded), rows, Math.Min(_depth, k - k0), tiling.Columns);
            }
        }

        /// <summary>Fills the block's rows of c.</summary>
        public void Multiply<TEpilogue>(float* b, float* c, int n, int firstRow, TEpilogue epilogue)
            where TEpilogue : struct, IEpilogue
        {
            var before = default(Turning<TEpilogue>);
            for (var column = 0; column < n; column += Group)
            {
                var lines = Math.Min(Group, n - column);
                var result = _result + (column / Group % 2 * Group * _padded);
                for (var k0 = 0; k0 < _k; k0 += _depth)
                {
                    MultiplyGroup(b + ((long)column * _k) + k0, result, lines, k0, ref before);
                }

                before.Finish();
                before = new Turning<TEpilogue>(result, _padded, _rows, c + column, n, firstRow, column, lines, epilogue);
            }

            before.Finish();
        }

        // Lines of b by all rows of a, over a block of k.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void MultiplyGroup<TEpilogue>(float* b, float* result, int lines, int k0, ref Turning<TEpilogue> before)
            where TEpilogue : struct, IEpilogue
        {
            var depth = Math.Min(_depth, _k - k0);
            var panels = _panels + ((long)k0 * _padded);
            var (tileRows, tileColumns) = (_tiling.Rows, _tiling.Columns);
            for (var line = 0; line < lines; line += tileRows)
            {
                var whole = line <= lines - tileRows;
                var height = _tiling.Height(Math.Min(tileRows, lines - line));
                var from = whole ? b + ((long)line * _k) : _strip;
                var path = whole ? new TilePath(1, tileColumns, depth, ALine: _k) : new TilePath(tileRows, tileColumns, depth);
                if (!whole)
                {
                    PanelPacking.Run(b + ((long)line * _k), _k, 1, _strip, lines - line, depth, tileRows);
                }

                // What comes next: the strip below, in the same k, or the group's first one in the next, or the next group.
                var next = line + tileRows < lines ? b + ((long)(line + tileRows) * _k) : k0 + depth < _k ? b + depth : b + ((long)lines * _k) - k0;
                var to = result + ((long)line * _padded);
                for (var row = 0; row < _rows; row += tileColumns, to += tileColumns)
                {
                    var panel = panels + ((long)row * depth);
                    var width = _tiling.Width(Math.Min(tileColumns, _rows - row));
                    var asked = row / tileColumns * 4;
                    if (whole && width == tileColumns && asked < tileRows)
                    {
                        var ahead = Lookahead.OfRows(next + ((long)asked * _k), _k);
                        _tiling.Multiply(height, width, from, panel, to, _padded, path, new EvenStepsAhead(tileColumns, ahead), k0 > 0);
                    }
                    else
                    {
                        _tiling.Multiply(height, width, from, panel, to, _padded, path, k0 > 0);
                    }

                    before.Advance();
                }
            }
        }
    }

    /// <summary>The group before, while its rows become rows of c and get the epilogue.</summary>
    private struct Turning<TEpilogue>(
        float* result, int padded, int rows, float* c, int n, int firstRow, int firstColumn, int columns, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        private int _row;

        public void Finish()
        {
            while (_row < rows)
            {
                Advance();
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Advance()
        {
            var count = Math.Min(TurnedRows, rows - _row);
            if (count > 0)
            {
                var to = c + ((long)_row * n);
                Transposition.Run(result + _row, padded, columns, count, to, n);
                epilogue.Apply(to, n, firstRow + _row, firstColumn, count, columns);
                _row += count;
            }
        }
    }
}
