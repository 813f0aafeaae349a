using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// A fully connected layer and the activation behind it, if that is one whose derivative is computed from its output:
/// then the values before it are never stored. B rows, I inputs, O outputs.
/// </summary>
internal sealed class LinearOperation : Operation, IBoundedGradient
{
    private readonly Variable _x;
    private readonly ParameterSlot _weight;
    private readonly ParameterSlot? _bias;
    private readonly Variable _y;

    public LinearOperation(Variable x, ParameterSlot weight, ParameterSlot? bias, Variable y)
    {
        (_x, _weight, _bias, _y) = (x, weight, bias, y);

        // This layer goes back through the activation before it while it writes the gradient.
        x.Activation?.TakenOver();
    }

    public ParameterSlot Slot => _weight;

    public int NumbersToRead(LeafSegment leaf) => leaf.Rows * (_x.Columns + _y.Columns);

    // |Σ over B rows of dz · x| ≤ B · max |dz| · max |x|
    public double Bound(Pass pass, LeafSegment leaf) =>
        (double)leaf.Rows * Magnitude.Largest(Gradients(pass, leaf)) * LargestInput(pass, leaf);

    // f(x(B,I) · wᵀ(I,O) + b(O)) → y(B,O)
    public override void Forward(Pass pass)
    {
        var product = new LinearProduct(_x.Value(pass.Rows), pass.Parameter(_weight), _y.Value(pass.Rows), pass.Rows, _x.Columns, _y.Columns);
        var bias = _bias is null ? [] : pass.Parameter(_bias);
        if (_y.Activation is null)
        {
            product.Forward(bias);
        }
        else
        {
            _y.Activation.Forward(product, bias);
        }
    }

    // dx(B,I) = dz(B,O) · w(O,I), through the activation that made x; for each leaf dw(O,I) = dzᵀ(O,B) · x(B,I), db(O) = Σ over its rows of dz
    public override void Backward(Pass pass)
    {
        _y.Activation?.Backward(_y.Gradient(pass.Rows), _y.Value(pass.Rows));
        if (_x.NeedsGradient)
        {
            var product = new LinearProduct(_x.Gradient(pass.Rows), pass.Parameter(_weight), _y.Gradient(pass.Rows), pass.Rows, _x.Columns, _y.Columns);
            if (_x.Activation is null)
            {
                product.BackwardInput();
            }
            else
            {
                _x.Activation.BackwardInput(product, _x.Value(pass.Rows));
            }
        }

        for (var i = 0; i < pass.Segments.Length; i++)
        {
            var leaf = pass.Segments[i];
            var dz = Gradients(pass, leaf);
            MatrixProduct.TransposedMultiply(dz, Inputs(pass, leaf), _weight.In(pass.Gradients[i]), _y.Columns, _x.Columns, leaf.Rows);
            if (_bias is not null)
            {
                ColumnReduction.Sum(dz, _bias.In(pass.Gradients[i]));
            }
        }
    }

    private float LargestInput(Pass pass, LeafSegment leaf) =>
        _x.IsInput && !float.IsNaN(pass.LargestInput) ? pass.LargestInput : Magnitude.Largest(Inputs(pass, leaf));

    private ReadOnlySpan<float> Gradients(Pass pass, LeafSegment leaf) =>
        _y.Gradient(pass.Rows).Slice(leaf.FirstRow * _y.Columns, leaf.Rows * _y.Columns);

    private ReadOnlySpan<float> Inputs(Pass pass, LeafSegment leaf) =>
        _x.Value(pass.Rows).Slice(leaf.FirstRow * _x.Columns, leaf.Rows * _x.Columns);
}
