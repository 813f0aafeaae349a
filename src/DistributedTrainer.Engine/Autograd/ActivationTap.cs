using DistributedTrainer.Engine.Layers;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>An operation y = f(x) element by element, whose slopes can be asked for.</summary>
internal interface IElementWise
{
    /// <summary>f'(x) at the first rows of the last forward pass.</summary>
    /// <param name="rows">B.</param>
    /// <param name="ones">Ones (B,C).</param>
    /// <param name="slopes">f'(x) (B,C), overwritten.</param>
    void Derivative(int rows, ReadOnlySpan<float> ones, Span<float> slopes);
}

/// <summary>An activation layer of a graph.</summary>
/// <param name="Path">Where it stands, such as "1" or "3.body.1".</param>
/// <param name="Function">Which.</param>
/// <param name="Slopes">Gives f'.</param>
/// <param name="Output">y.</param>
internal sealed record ActivationTap(string Path, Activation Function, IElementWise Slopes, Variable Output);
