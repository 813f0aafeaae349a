using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>A layer of an extension, with a key of each sort.</summary>
[ExtensionName("own-layer")]
public sealed record OwnLayer(double Rate, string Name, OwnWay Way, bool Flag = true, long Count = 1) : CustomLayer
{
    protected override Shape Declare(LayerDeclaration layer, Shape input) => input;

    protected override void Forward(in LayerForward pass) => pass.X.CopyTo(pass.Y);

    protected override void Backward(in LayerBackward pass) => pass.Dy.CopyTo(pass.Dx);
}

public enum OwnWay
{
    UpHill,
    Down,
}
