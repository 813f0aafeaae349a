using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>An operation y = f(x) element by element, whose units can be watched.</summary>
internal interface IElementWise
{
    /// <summary>Takes the first rows of the last forward pass into the largest |y| and |f'(x)| of each unit so far.</summary>
    /// <param name="rows">B.</param>
    /// <param name="places">Values of a unit in a row.</param>
    /// <param name="values">Largest |y| (units), raised.</param>
    /// <param name="slopes">Largest |f'(x)| (units), raised.</param>
    /// <param name="flat">A slope below this is counted.</param>
    /// <returns>How many values have a smaller slope.</returns>
    long AddExtremes(int rows, int places, Span<float> values, Span<float> slopes, float flat);
}

/// <summary>An activation layer of a graph.</summary>
/// <param name="Slot">Which.</param>
/// <param name="Operation">What computes it.</param>
internal sealed record ActivationTap(ActivationSlot Slot, IElementWise Operation);
