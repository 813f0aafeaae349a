using DistributedTrainer.Engine.Layers;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// An element-wise activation layer of a model, and where the marks of its units lie among those of all such layers. A
/// unit is an element of a flat row, or a channel of an image. A mark holds what is true of the unit in some row, so the
/// marks of two sets of rows together are their bitwise or.
/// </summary>
/// <param name="Layer">Where it stands, such as "1" or "3.body.1".</param>
/// <param name="Function">Its function.</param>
/// <param name="Units">How many units it has.</param>
/// <param name="Places">Values of a unit in one row: 1 where rows are flat, height · width where they are images.</param>
/// <param name="FirstUnit">Where its units begin.</param>
public sealed record ActivationSlot(string Layer, Activation Function, int Units, int Places, int FirstUnit)
{
    /// <summary>In a mark: the unit's output is not 0 in some row.</summary>
    public const byte Alive = 1;

    /// <summary>In a mark: its slope is not below <see cref="Diagnostics.ModelDiagnostics.SaturationSlope"/> in some row.</summary>
    public const byte Steep = 2;

    /// <summary>Whether the function can be 0 at all; sigmoid, tanh and softplus have no flat part at 0.</summary>
    public bool CanDie => Function is not (Activation.Sigmoid or Activation.Tanh or Activation.Softplus);

    /// <summary>Units that are 0 in every row; null where the function has no flat part at 0.</summary>
    /// <param name="marks">Those of all layers.</param>
    public int? DeadIn(ReadOnlySpan<byte> marks) => CanDie ? Without(Alive, marks) : null;

    /// <summary>Units whose slope is small in every row; the dead ones of relu are among them.</summary>
    /// <param name="marks">Those of all layers.</param>
    public int SaturatedIn(ReadOnlySpan<byte> marks) => Without(Steep, marks);

    private int Without(byte mark, ReadOnlySpan<byte> marks)
    {
        var count = 0;
        foreach (var unit in marks.Slice(FirstUnit, Units))
        {
            count += (unit & mark) == 0 ? 1 : 0;
        }

        return count;
    }
}
