using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Diagnostics;

/// <summary>The units of one activation layer on a whole set of rows. A unit is an element of a flat row, or a channel of an image.</summary>
/// <param name="Layer">Where it stands, such as "1" or "3.body.1".</param>
/// <param name="Function">Its function.</param>
/// <param name="Units">How many units it has.</param>
/// <param name="Dead">
/// Units that are 0 in every row (and place of the image): they pass nothing on. Null for sigmoid, tanh and softplus,
/// which have no flat part at 0.
/// </param>
/// <param name="Saturated">Units with |f'| below <see cref="ModelDiagnostics.SaturationSlope"/> in every row: they learn (almost) nothing. Dead ones of relu are among them.</param>
/// <param name="SaturatedValues">The share of all values, units times rows, with such a slope; of relu, all that are not positive.</param>
public sealed record ActivationStatistics(string Layer, Activation Function, int Units, int? Dead, int Saturated, double SaturatedValues)
{
    /// <summary>Dead units over units.</summary>
    public double? DeadShare => (double?)Dead / Units;

    /// <summary>Saturated units over units.</summary>
    public double SaturatedShare => (double)Saturated / Units;
}

/// <summary>The gradient of the mean loss by one parameter.</summary>
/// <param name="Name">Such as "0.weight".</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Norm">√Σ g², in float64: small in early layers where gradients vanish, large where they explode.</param>
/// <param name="WeightNorm">√Σ w².</param>
public sealed record ParameterStatistics(string Name, Shape Shape, double Norm, double WeightNorm);

/// <summary>
/// What a model's units and gradients are like on a set of rows. Softmax and log-softmax layers, whose elements have no
/// slope of their own, are left out of the activations.
/// </summary>
/// <param name="Activations">The activation layers in order, in evaluation: running statistics, no dropout.</param>
/// <param name="Parameters">The parameters in order. Gradients are as in training: batches of as many rows as the workspace has, with batch statistics and dropout.</param>
public sealed record ModelDiagnostics(IReadOnlyList<ActivationStatistics> Activations, IReadOnlyList<ParameterStatistics> Parameters)
{
    /// <summary>A slope smaller than this counts as saturated.</summary>
    public const float SaturationSlope = 0.01f;

    /// <summary>Diagnoses a network with the loss of its last fit, or the default for the kind of target.</summary>
    /// <param name="network">The network.</param>
    /// <param name="examples">The rows.</param>
    /// <param name="batchSize">Rows of a batch for the gradients. Default 64.</param>
    /// <exception cref="ArgumentException">The rows do not fit; names all that is wrong.</exception>
    public static ModelDiagnostics Of(Network network, Examples examples, int batchSize = 64)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var workspace = network.Model.CreateWorkspace(network.LossFor((examples ?? throw new ArgumentNullException(nameof(examples))).Kind), Math.Min(batchSize, Math.Max(1, examples.RowsFor(network.Model))));
        network.Parameters.CopyTo(workspace.Parameters);
        network.Buffers.CopyTo(workspace.Buffers);
        return Of(network.Model, workspace, examples, network.Seed);
    }

    /// <summary>Runs a workspace over all rows: once in evaluation, once in training. Parameters and running statistics stay as they are.</summary>
    /// <param name="model">The workspace's model.</param>
    /// <param name="workspace">Holds the parameters and running statistics.</param>
    /// <param name="examples">The rows.</param>
    /// <param name="seed">Keys the dropout masks, with the number of the batch as the step.</param>
    /// <exception cref="ArgumentException">The rows do not fit; names all that is wrong.</exception>
    public static ModelDiagnostics Of(Model model, Workspace workspace, Examples examples, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(workspace);
        ArgumentNullException.ThrowIfNull(examples);
        var problems = new List<string>();
        examples.FindProblems("diagnostics", model, workspace.Loss, problems);
        Network.Refuse(problems);
        return new ModelDiagnostics(OfActivations(model, workspace, examples), OfParameters(model, workspace, examples, seed));
    }

    private static IReadOnlyList<ActivationStatistics> OfActivations(Model model, Workspace workspace, Examples examples)
    {
        var activity = new UnitActivity(workspace);
        foreach (var (first, rows) in Batches(model, workspace, examples))
        {
            examples.Gather(first, rows, workspace);
            workspace.Predict(rows);
            activity.Add(rows);
        }

        return activity.Statistics();
    }

    private static List<ParameterStatistics> OfParameters(Model model, Workspace workspace, Examples examples, ulong seed)
    {
        AlignedBuffer[] gradient = [new AlignedBuffer(model.Layout.Length)];
        var (sum, sums, exchange) = (new double[model.Layout.Length], new LeafSums[1], new LocalExchange(1));
        var step = 0L;
        foreach (var (first, rows) in Batches(model, workspace, examples))
        {
            examples.Gather(first, rows, workspace);
            workspace.Train(step++, seed, [new LeafSegment(0, 0, rows)], gradient, sums, exchange);
            for (var i = 0; i < sum.Length; i++)
            {
                sum[i] += gradient[0].Span[i];
            }
        }

        var all = examples.RowsFor(model);
        return model.Layout.Slots.Select(slot => new ParameterStatistics(
            slot.Name,
            slot.Shape,
            Math.Sqrt(sum.AsSpan(slot.Offset, slot.Shape.Elements).ToArray().Sum(static g => g * g)) / all,
            Math.Sqrt(SquareSum.Of(workspace.Parameters.Slice(slot.Offset, slot.Shape.Elements))))).ToList();
    }

    private static IEnumerable<(int First, int Rows)> Batches(Model model, Workspace workspace, Examples examples)
    {
        var rows = examples.RowsFor(model);
        for (var first = 0; first < rows; first += workspace.MaximumRows)
        {
            yield return (first, Math.Min(workspace.MaximumRows, rows - first));
        }
    }
}
