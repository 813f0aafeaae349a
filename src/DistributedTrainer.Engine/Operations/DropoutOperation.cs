using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// y = x · m, dx = dy · m, where m is 0 with probability rate and 1 / (1 − rate) otherwise (inverted scaling: evaluation
/// needs none). The mask is keyed by step, leaf, layer and place in the leaf: no grouping of leaves changes it.
/// Source: Srivastava et al., "Dropout", 2014.
/// </summary>
internal sealed class DropoutOperation(Variable x, Variable y, Func<int, Span<float>> masks, int layer, float rate) : Operation
{
    private readonly uint _dropBelow = (uint)(rate * 4294967296.0);
    private readonly float _keep = 1 / (1 - rate);

    public override void Forward(Pass pass)
    {
        if (!pass.Training)
        {
            x.Value(pass.Rows).CopyTo(y.Value(pass.Rows));
            return;
        }

        var mask = masks(pass.Rows);
        foreach (var leaf in pass.Segments)
        {
            Fill(mask.Slice(leaf.FirstRow * x.Columns, leaf.Rows * x.Columns), new RandomStream(pass.Seed, RandomPurpose.Dropout, pass.Step, leaf.Leaf, layer));
        }

        ElementWise.Multiply(y.Value(pass.Rows), x.Value(pass.Rows), mask);
    }

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.Multiply(x.Gradient(pass.Rows), y.Gradient(pass.Rows), masks(pass.Rows));
        }
    }

    private void Fill(Span<float> mask, RandomStream stream)
    {
        for (var i = 0; i < mask.Length; i += 4)
        {
            var bits = stream.Block(i >> 2);
            for (var j = 0; j < 4 && i + j < mask.Length; j++)
            {
                mask[i + j] = bits[j] < _dropBelow ? 0 : _keep;
            }
        }
    }
}
