using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>The rows that a <see cref="CustomLayer"/> computes outputs of; B rows, I input and O output elements of a row.</summary>
public readonly ref struct LayerForward
{
    private readonly CustomOperation _operation;
    private readonly Pass _pass;
    private readonly LeafSegment _leaf;

    internal LayerForward(CustomOperation operation, Pass pass, LeafSegment leaf)
    {
        (_operation, _pass, _leaf) = (operation, pass, leaf);
        X = operation.X(pass, leaf);
        Y = operation.Y(pass, leaf);
    }

    /// <summary>B.</summary>
    public int Rows => _leaf.Rows;

    /// <summary>Whether gradients follow; otherwise the model is evaluated or used.</summary>
    public bool Training => _pass.Training;

    /// <summary>Inputs (B,I), row after row.</summary>
    public ReadOnlySpan<float> X { get; }

    /// <summary>Outputs (B,O), to be written, all of them.</summary>
    public Span<float> Y { get; }

    /// <summary>Random numbers of this leaf, step and layer, in training: the same wherever and however often they are asked for.</summary>
    public RandomStream Random => _operation.Random(_pass, _leaf);

    /// <summary>The values of a parameter, laid out as its shape says.</summary>
    public ReadOnlySpan<float> Parameter(string name) => _operation.Parameter(_pass, name);

    /// <summary>Room that was declared (B, columns), to be written for <see cref="LayerBackward.Kept"/>.</summary>
    public Span<float> Kept(string name) => _operation.Kept(_pass, _leaf, name);
}

/// <summary>The rows of a leaf that a <see cref="CustomLayer"/> computes gradients of; B rows, I input and O output elements of a row.</summary>
public readonly ref struct LayerBackward
{
    private readonly CustomOperation _operation;
    private readonly Pass _pass;
    private readonly LeafSegment _leaf;
    private readonly AlignedBuffer _gradient;

    internal LayerBackward(CustomOperation operation, Pass pass, LeafSegment leaf, AlignedBuffer gradient)
    {
        (_operation, _pass, _leaf, _gradient) = (operation, pass, leaf, gradient);
        X = operation.X(pass, leaf);
        Y = operation.Y(pass, leaf);
        Dy = operation.Dy(pass, leaf);
        Dx = operation.Dx(pass, leaf);
    }

    /// <summary>B.</summary>
    public int Rows => _leaf.Rows;

    /// <summary>Inputs (B,I), as they were.</summary>
    public ReadOnlySpan<float> X { get; }

    /// <summary>Outputs (B,O), as Forward has written them.</summary>
    public ReadOnlySpan<float> Y { get; }

    /// <summary>The gradient of the summed loss by the outputs (B,O).</summary>
    public ReadOnlySpan<float> Dy { get; }

    /// <summary>The gradient by the inputs (B,I), to be written, all of it.</summary>
    public Span<float> Dx { get; }

    /// <summary>The same numbers as in Forward.</summary>
    public RandomStream Random => _operation.Random(_pass, _leaf);

    /// <summary>The values of a parameter, laid out as its shape says.</summary>
    public ReadOnlySpan<float> Parameter(string name) => _operation.Parameter(_pass, name);

    /// <summary>The gradient by a parameter, summed over the rows: it is 0, to be written or added to.</summary>
    public Span<float> Gradient(string name) => _operation.Gradient(_gradient, name);

    /// <summary>What Forward has written (B, columns).</summary>
    public ReadOnlySpan<float> Kept(string name) => _operation.Kept(_pass, _leaf, name);
}
