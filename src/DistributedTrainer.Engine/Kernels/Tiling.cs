using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Which tiles a matrix product is made of. The choice changes speed, and no bit.</summary>
internal sealed unsafe class Tiling
{
    /// <summary>The most elements that a tile has.</summary>
    public const int MaximumElements = 12 * 32;

    /// <summary>For 512-bit vectors.</summary>
    public static readonly Tiling Wide = new(12, 32);

    /// <summary>For 256-bit vectors.</summary>
    public static readonly Tiling Medium = new(6, 16);

    /// <summary>For 128-bit vectors.</summary>
    public static readonly Tiling Narrow = new(4, 8);

    /// <summary>What fits this processor.</summary>
    public static readonly Tiling Hardware = Vector512.IsHardwareAccelerated ? Wide : Vector256.IsHardwareAccelerated ? Medium : Narrow;

    private Tiling(int rows, int columns) => (Rows, Columns) = (rows, columns);

    /// <summary>Rows of a whole tile; panels of A are this wide.</summary>
    public int Rows { get; }

    /// <summary>Columns of a tile; panels of B are this wide.</summary>
    public int Columns { get; }

    /// <summary>Rows of the smallest tile that holds this many, at most <see cref="Rows"/>.</summary>
    public int Height(int rows) => Rows == 12 && rows <= 8 ? (rows <= 4 ? 4 : 8) : Rows;

    /// <summary>Columns of the smallest tile that holds this many, at most <see cref="Columns"/>.</summary>
    public int Width(int columns) => Columns == 32 && columns <= 16 ? 16 : Columns;

    /// <summary>Computes a tile of <see cref="Columns"/> columns.</summary>
    public void Multiply(int height, float* a, float* b, float* c, int columns, in TilePath path, bool load) =>
        Multiply(height, Columns, a, b, c, columns, path, load);

    /// <summary>Computes a tile of <see cref="Height"/> rows and <see cref="Width"/> columns.</summary>
    public void Multiply(int height, int width, float* a, float* b, float* c, int columns, in TilePath path, bool load) =>
        Multiply(height, width, a, b, c, columns, path, new EvenSteps(path.BStep), load);

    /// <summary>The same with other steps in B.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Multiply<TSteps>(int height, int width, float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        switch (Columns)
        {
            case 32 when width == 16 && height == 12:
                MatrixTiles.Tile12x16(a, b, c, columns, path, steps, load);
                break;
            case 32 when width == 16 && height == 8:
                MatrixTiles.Tile8x16(a, b, c, columns, path, steps, load);
                break;
            case 32 when width == 16:
                MatrixTiles.Tile4x16(a, b, c, columns, path, steps, load);
                break;
            case 32 when height == 12:
                MatrixTiles.Tile12x32(a, b, c, columns, path, steps, load);
                break;
            case 32 when height == 8:
                MatrixTiles.Tile8x32(a, b, c, columns, path, steps, load);
                break;
            case 32:
                MatrixTiles.Tile4x32(a, b, c, columns, path, steps, load);
                break;
            case 16:
                MatrixTiles.Tile6x16(a, b, c, columns, path, steps, load);
                break;
            default:
                MatrixTiles.Tile4x8(a, b, c, columns, path, steps, load);
                break;
        }
    }
}
