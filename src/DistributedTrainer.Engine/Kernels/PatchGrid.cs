namespace DistributedTrainer.Engine.Kernels;

/// <summary>The windows of a patch product: where they begin in the padded image, and where their results go.</summary>
/// <param name="Rows">Rows of windows.</param>
/// <param name="Columns">Windows in a row.</param>
/// <param name="Source">The first window's place in the padded image; the next one is 1 further, the next row one row of the padded image.</param>
/// <param name="Destination">The first result's place in its plane.</param>
/// <param name="RowStep">From a row of results to the next.</param>
/// <param name="ColumnStep">From a result to the next.</param>
internal readonly record struct PatchGrid(int Rows, int Columns, int Source, int Destination, int RowStep, int ColumnStep);

/// <summary>
/// Windows cut into panels of a tile's width. A panel reads neighbouring elements of the padded image and so runs over
/// the ends of rows: what it computes there belongs to no window. The windows in it lie in pieces, one a row.
/// </summary>
internal sealed class PatchPanels
{
    /// <summary>Cuts a grid.</summary>
    /// <param name="grid">The windows.</param>
    /// <param name="sourceStep">From a row of the padded image to the next.</param>
    /// <param name="tiling">The tile.</param>
    public PatchPanels(in PatchGrid grid, int sourceStep, Tiling tiling)
    {
        var (panels, pieces) = (new List<Panel>(), new List<Piece>());
        var (row, column) = (0, 0);
        while (row < grid.Rows)
        {
            var start = (row * sourceStep) + column;
            var (first, used) = (pieces.Count, 0);
            for (; row < grid.Rows && (row * sourceStep) + column < start + tiling.Columns; row++, column = 0)
            {
                var inPanel = (row * sourceStep) + column - start;
                var length = Math.Min(tiling.Columns - inPanel, grid.Columns - column);
                pieces.Add(new Piece(inPanel, length, grid.Destination + (row * grid.RowStep) + (column * grid.ColumnStep)));
                used = inPanel + length;
                column += length;
                if (column < grid.Columns)
                {
                    break;
                }
            }

            panels.Add(new Panel(grid.Source + start, tiling.Width(used), first, pieces.Count));
        }

        (Panels, Pieces) = ([.. panels], [.. pieces]);
    }

    /// <summary>The panels in order.</summary>
    public Panel[] Panels { get; }

    /// <summary>The pieces of all panels.</summary>
    public Piece[] Pieces { get; }

    /// <summary>One panel: where it begins in the padded image, the tile's width, and its pieces.</summary>
    public readonly record struct Panel(int Source, int Width, int FirstPiece, int EndPiece);

    /// <summary>Neighbouring windows: their column in the panel, how many, and where the first result goes.</summary>
    public readonly record struct Piece(int Column, int Length, int Destination);
}
