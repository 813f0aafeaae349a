using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>What happens to a part of a product's result as soon as it is whole, while it lies in the nearest cache.</summary>
internal unsafe interface IEpilogue
{
    /// <summary>Changes a block of the result.</summary>
    /// <param name="block">Its first element.</param>
    /// <param name="rowLength">From one row to the next.</param>
    /// <param name="firstRow">The block's place in the result.</param>
    /// <param name="firstColumn">The block's place in the result.</param>
    /// <param name="rows">The block's height.</param>
    /// <param name="columns">The block's width.</param>
    void Apply(float* block, int rowLength, int firstRow, int firstColumn, int rows, int columns);

    /// <summary>Asks for what will be read for a block, while the block is computed.</summary>
    /// <param name="rowLength">From one row of the result to the next.</param>
    /// <param name="firstRow">The block's place in the result.</param>
    /// <param name="firstColumn">The block's place in the result.</param>
    /// <param name="rows">The block's height.</param>
    /// <param name="columns">The block's width.</param>
    void Ahead(int rowLength, int firstRow, int firstColumn, int rows, int columns);
}

/// <summary>Leaves the result as it is.</summary>
internal readonly unsafe struct NoEpilogue : IEpilogue
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply(float* block, int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ahead(int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
    }
}

/// <summary>y = z + b, the bias of each column.</summary>
internal readonly unsafe struct AddBias(float* bias) : IEpilogue
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply(float* block, int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
        for (var row = 0; row < rows; row++, block += rowLength)
        {
            var column = 0;
            for (; column <= columns - VectorMap.Lanes; column += VectorMap.Lanes)
            {
                (Vector512.Load(block + column) + Vector512.Load(bias + firstColumn + column)).Store(block + column);
            }

            for (; column < columns; column++)
            {
                block[column] += bias[firstColumn + column];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ahead(int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
    }
}

/// <summary>y = f(z + b), for functions whose derivative is computed from y.</summary>
/// <param name="function">f.</param>
/// <param name="bias">b, or null for none.</param>
internal readonly unsafe struct AddBiasAndActivate<TActivation>(TActivation function, float* bias) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply(float* block, int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
        for (var row = 0; row < rows; row++, block += rowLength)
        {
            for (var column = 0; column < columns; column += VectorMap.Lanes)
            {
                var lanes = VectorMap.Load(block + column, columns - column);
                if (bias is not null)
                {
                    lanes += VectorMap.Load(bias + firstColumn + column, columns - column);
                }

                VectorMap.Store(function.Forward(lanes), block + column, columns - column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ahead(int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
    }
}

/// <summary>dz = dy · f'(z), from y = f(z): the way back through an activation.</summary>
/// <param name="function">f.</param>
/// <param name="y">y, shaped as the result.</param>
internal readonly unsafe struct MultiplyBySlope<TActivation>(TActivation function, float* y) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply(float* block, int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
        var values = y + ((long)firstRow * rowLength) + firstColumn;
        for (var row = 0; row < rows; row++, block += rowLength, values += rowLength)
        {
            for (var column = 0; column < columns; column += VectorMap.Lanes)
            {
                var upstream = VectorMap.Load(block + column, columns - column);
                var output = VectorMap.Load(values + column, columns - column);
                VectorMap.Store(function.Backward(upstream, default, output), block + column, columns - column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ahead(int rowLength, int firstRow, int firstColumn, int rows, int columns)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        var values = y + ((long)firstRow * rowLength) + firstColumn;
        for (var row = 0; row < rows; row++, values += rowLength)
        {
            for (var column = 0; column < columns; column += Lookahead.Line)
            {
                Sse.Prefetch0(values + column);
            }
        }
    }
}
