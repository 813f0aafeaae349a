using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// A layer of your own, as a record with its settings in the constructor and an <see cref="ExtensionNameAttribute"/>: declares its
/// parameters, and computes values forward and gradients backward. Both are called for one leaf of a step at a time, so that the
/// result does not depend on how leaves are spread over workers; a record has no state but its settings. Check the derivatives with
/// <see cref="Diagnostics.GradientCheck"/>.
/// <code>
/// [ExtensionName("scale")]
/// public sealed record Scale(float Start = 1) : CustomLayer
/// {
///     protected override Shape Declare(LayerDeclaration layer, Shape input)
///     {
///         layer.Parameter("factor", new Shape(1), Start);
///         return input;
///     }
///
///     // y = a · x
///     protected override void Forward(in LayerForward pass)
///     {
///         var a = pass.Parameter("factor")[0];
///         for (var i = 0; i &lt; pass.X.Length; i++)
///             pass.Y[i] = a * pass.X[i];
///     }
///
///     // dx = a · dy, da = Σ dy · x
///     protected override void Backward(in LayerBackward pass)
///     {
///         var (a, sum) = (pass.Parameter("factor")[0], 0.0);
///         for (var i = 0; i &lt; pass.X.Length; i++)
///         {
///             pass.Dx[i] = a * pass.Dy[i];
///             sum += (double)pass.Dy[i] * pass.X[i];
///         }
///
///         pass.Gradient("factor")[0] = (float)sum;
///     }
/// }
/// </code>
/// </summary>
public abstract record CustomLayer : LayerDefinition
{
    /// <summary>What it is called in experiments and in saved networks.</summary>
    /// <exception cref="ArgumentException">It has no name, or its assembly cannot be used; says why.</exception>
    public string ExtensionName => ExtensionRegistry.KindOf(GetType()).Name;

    /// <summary>Whether rows must be images (channels, height, width), where the data has such; otherwise a model's first layers are given flat rows. Default: no.</summary>
    public virtual bool TakesImages => false;

    /// <summary>Declares parameters, and says what an output row is. Called several times; the same settings and input give the same.</summary>
    /// <param name="layer">Takes the parameters.</param>
    /// <param name="input">Shape of an input row.</param>
    /// <returns>Shape of an output row.</returns>
    /// <exception cref="ArgumentException">To be thrown where the input or the settings are not possible; the text is shown to the user.</exception>
    protected internal abstract Shape Declare(LayerDeclaration layer, Shape input);

    /// <summary>
    /// Computes outputs from inputs. In training the rows are those of one leaf; otherwise any, and each must be computed by itself.
    /// </summary>
    /// <param name="pass">The rows.</param>
    protected internal abstract void Forward(in LayerForward pass);

    /// <summary>Computes the gradient by the inputs from that by the outputs, and those by the parameters, summed over the rows.</summary>
    /// <param name="pass">The rows of one leaf.</param>
    protected internal abstract void Backward(in LayerBackward pass);

    internal sealed override Shape Declare(ModelDeclaration model, Shape input)
    {
        var declaration = new LayerDeclaration(model.Layer);
        var output = Declare(declaration, input);
        foreach (var parameter in declaration.Parameters)
        {
            model.Parameter(parameter.Name, parameter.Shape, parameter.Decays, parameter.Start);
        }

        return output;
    }

    internal sealed override Variable Build(ModelGraph graph, Variable x)
    {
        var declaration = new LayerDeclaration(graph.Path);
        var output = Declare(declaration, x.Shape);
        var y = graph.Graph.Output(output, x.NeedsGradient || declaration.Parameters.Count > 0);
        graph.Graph.Add(
            new CustomOperation(
                this,
                x,
                y,
                declaration.Parameters.ToDictionary(static parameter => parameter.Name, parameter => graph.Parameter(parameter.Name)),
                declaration.Kept.ToDictionary(static kept => kept.Name, kept => new KeptRoom(graph.Graph.Room(kept.Columns), kept.Columns)),
                x.NeedsGradient ? null : graph.Graph.Room(x.Columns),
                graph.Layer),
            x);
        return y;
    }
}

/// <summary>Takes the parameters of a layer, and what it keeps between forward and backward.</summary>
public sealed class LayerDeclaration
{
    private readonly List<(string Name, Shape Shape, bool Decays, InitialValue Start)> _parameters = [];
    private readonly List<(string Name, int Columns)> _kept = [];

    internal LayerDeclaration(string layer) => Layer = layer;

    /// <summary>The layer's place in the model, such as "3": for messages.</summary>
    public string Layer { get; }

    internal IReadOnlyList<(string Name, Shape Shape, bool Decays, InitialValue Start)> Parameters => _parameters;

    internal IReadOnlyList<(string Name, int Columns)> Kept => _kept;

    /// <summary>Declares weights, which start as <c>model.init.weights</c> says and which weight decay applies to.</summary>
    /// <param name="name">Its name within the layer; in model.safetensors behind the layer's place, such as "3.weight".</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="inputs">Inputs of one unit, at least 1: they decide how large weights are at the start.</param>
    /// <param name="outputs">Units, at least 1.</param>
    public void Weights(string name, Shape shape, int inputs, int outputs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        Add(name, shape, true, new InitialValue(null, inputs, outputs));
    }

    /// <summary>Declares a parameter whose elements all start with one value.</summary>
    /// <param name="name">As above.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="start">The value.</param>
    /// <param name="decays">Whether weight decay applies to it. Default: no.</param>
    public void Parameter(string name, Shape shape, float start, bool decays = false) => Add(name, shape, decays, new InitialValue(start));

    /// <summary>Declares room for what Forward computes and Backward reads again.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="columns">Numbers for each row, at least 1.</param>
    public void Keep(string name, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (_kept.Exists(kept => kept.Name == name))
        {
            throw new ArgumentException($"layer {Layer}: room for {name} is declared twice.");
        }

        _kept.Add((name, columns));
    }

    private void Add(string name, Shape shape, bool decays, InitialValue start)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (_parameters.Exists(parameter => parameter.Name == name) || shape.Elements < 1)
        {
            throw new ArgumentException($"layer {Layer}: the parameter {name} of shape {shape} is declared twice, or has no elements.");
        }

        _parameters.Add((name, shape, decays, start));
    }
}
