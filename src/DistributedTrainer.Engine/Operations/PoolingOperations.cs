using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Operations;

/// <summary>y = the largest element of each window, so dy goes to the first element that was the largest.</summary>
internal sealed class MaxPoolOperation(Variable x, Variable y, Func<int, Span<float>> places, PoolingShape shape) : Operation
{
    public override void Forward(Pass pass) =>
        PoolingKernel.Max(shape, x.Value(pass.Rows), y.Value(pass.Rows), MemoryMarshal.Cast<float, int>(places(pass.Rows)));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            PoolingKernel.MaxBackward(shape, y.Gradient(pass.Rows), MemoryMarshal.Cast<float, int>(places(pass.Rows)), x.Gradient(pass.Rows));
        }
    }
}

/// <summary>y = the mean of each window of S × S, so each of its elements gets dy / S².</summary>
internal sealed class AveragePoolOperation(Variable x, Variable y, PoolingShape shape) : Operation
{
    public override void Forward(Pass pass) => PoolingKernel.Average(shape, x.Value(pass.Rows), y.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            PoolingKernel.AverageBackward(shape, y.Gradient(pass.Rows), x.Gradient(pass.Rows));
        }
    }
}

/// <summary>y(B,C) = the mean of each plane of x(B,C,P), so each of its elements gets dy / P.</summary>
internal sealed class GlobalAveragePoolOperation(Variable x, Variable y) : Operation
{
    private readonly int _positions = x.Columns / y.Columns;

    public override void Forward(Pass pass)
    {
        var planes = x.Value(pass.Rows);
        var means = y.Value(pass.Rows);
        for (var plane = 0; plane < means.Length; plane++)
        {
            means[plane] = (float)(PlaneReduction.Sum(planes.Slice(plane * _positions, _positions)) / _positions);
        }
    }

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            var planes = x.Gradient(pass.Rows);
            var means = y.Gradient(pass.Rows);
            for (var plane = 0; plane < means.Length; plane++)
            {
                planes.Slice(plane * _positions, _positions).Fill(means[plane] / _positions);
            }
        }
    }
}
