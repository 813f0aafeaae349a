using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using Xunit.Sdk;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>
/// The gradient that the engine computes against finite differences, for any layers and any loss, one line each:
/// <code>
/// GradientCheck.Layers(new Shape(7), new LinearDefinition(5), new ActivationDefinition(Activation.Tanh));
/// GradientCheck.Loss(new MeanSquaredErrorLoss(), columns: 3);
/// </code>
/// <para>
/// The layers stand behind a probe (y = x + p, one p for every row), so that the gradient by the input is one by a
/// parameter and is checked with all the others. What is differentiated is the sum over rows of Σ r·y with fixed random
/// r, or of the loss: it runs through <see cref="Workspace.Train"/> with uneven leaves, as in a real step, dropout masks
/// included (they depend on step and seed alone).
/// </para>
/// <para>
/// Numeric: (8 (f(w+h) − f(w−h)) − (f(w+2h) − f(w−2h))) / 12h with h = 0.02, whose error is of order h⁴; float32 rounding
/// of f leaves about 1e-4. Tolerance: 2e-3 · max(1, |gradient|), fine enough for any wrong factor, sign or term. Where a
/// kink of relu, max or hinge lies between the points there is no derivative to compare with: there the first
/// differences with h and 2h contradict each other, or the second ones do. Of such places there may be one in ten at most.
/// </para>
/// </summary>
internal static class GradientCheck
{
    private const float Step = 0.02f;
    private const double Tolerance = 2e-3;
    private const double KinkTolerance = 2.5e-3;

    /// <summary>Checks all parameters and the input of these layers, on rows of this shape.</summary>
    public static void Layers(Shape input, params LayerDefinition[] layers) => Layers(input, [3, 1, 4], layers);

    /// <summary>The same with leaves of so many rows.</summary>
    public static void Layers(Shape input, int[] leafRows, params LayerDefinition[] layers)
    {
        var model = Build(input, leafRows.Sum(), layers);
        var check = new Run(model, new WeightedSumLoss(), leafRows, Numbers.Normal(leafRows.Sum() * input.Elements, 11));
        Numbers.Normal(check.Targets.Length, 12).CopyTo(check.Targets);
        check.CheckAll(string.Join(", ", layers.Select(static layer => layer.ToString())));
    }

    /// <summary>Checks the gradient of a loss by its scores, with random scores, and random labels and targets unless given.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="columns">C, outputs of a row.</param>
    /// <param name="labels">Class numbers (8).</param>
    /// <param name="targets">Targets (8,C).</param>
    /// <param name="spread">Standard deviation of the scores.</param>
    public static void Loss(Loss loss, int columns, int[]? labels = null, float[]? targets = null, double spread = 2)
    {
        int[] leafRows = [3, 1, 4];
        var check = new Run(Build(new Shape(columns), 8, []), loss, leafRows, Numbers.Normal(8 * columns, 13, deviation: spread));
        (labels ?? Numbers.Below(8, columns, 14)).CopyTo(check.Labels);
        (targets ?? Numbers.Normal(8 * columns, 15)).CopyTo(check.Targets);
        check.CheckAll(loss.Name);
    }

    private static Model Build(Shape input, int rows, LayerDefinition[] layers) =>
        new(new ModelDefinition(input, [new ProbeDefinition(rows), .. layers], new InitialWeights(InitialWeightsKind.Glorot)));

    private sealed class Run
    {
        private readonly Model _model;
        private readonly Workspace _workspace;
        private readonly LeafSegment[] _segments;
        private readonly AlignedBuffer[] _gradients;
        private readonly LeafSums[] _sums;

        public Run(Model model, Loss loss, int[] leafRows, float[] input)
        {
            _model = model;
            _workspace = model.CreateWorkspace(loss, leafRows.Sum());
            model.Initialize(_workspace.Parameters, _workspace.Buffers, 17);
            _segments = Support.Leaves.Of(leafRows);
            _gradients = Array.ConvertAll(leafRows, _ => new AlignedBuffer(model.Layout.Length));
            _sums = new LeafSums[leafRows.Length];
            input.CopyTo(_workspace.Input(leafRows.Sum()));

            // Zero biases and unit scales would hide mistakes: everything gets a value of its own.
            var noise = Numbers.Normal(model.Layout.Length, 18, deviation: 0.3);
            for (var i = 0; i < noise.Length; i++)
            {
                _workspace.Parameters[i] += noise[i];
            }
        }

        public Span<int> Labels => _workspace.Labels(_segments[^1].FirstRow + _segments[^1].Rows);

        public Span<float> Targets => _workspace.Targets(_segments[^1].FirstRow + _segments[^1].Rows);

        public void CheckAll(string what)
        {
            var middle = Value();
            var analytic = new double[_model.Layout.Length];
            foreach (var gradient in _gradients)
            {
                for (var i = 0; i < analytic.Length; i++)
                {
                    analytic[i] += gradient.Span[i];
                }
            }

            var kinks = 0;
            foreach (var slot in _model.Layout.Slots)
            {
                for (var i = 0; i < slot.Shape.Elements; i++)
                {
                    var (narrow, narrowBend) = Differences(slot.Offset + i, Step, middle);
                    var (wide, wideBend) = Differences(slot.Offset + i, 2 * Step, middle);
                    if (Math.Max(Math.Abs(narrow - wide), Math.Abs((2 * narrowBend) - wideBend)) > KinkTolerance * Math.Max(1, Math.Abs(wide)))
                    {
                        kinks++;
                        continue;
                    }

                    var (numeric, exact) = (((4 * narrow) - wide) / 3, analytic[slot.Offset + i]);
                    if (!(Math.Abs(numeric - exact) <= Tolerance * Math.Max(1, Math.Abs(numeric))))
                    {
                        throw new XunitException($"{what}: the gradient of {slot.Name} {slot.Shape}, element {i}, is {exact:R}; finite differences give {numeric:R}.");
                    }
                }
            }

            Assert.True(kinks * 10 <= analytic.Length, $"{what}: {kinks} of {analytic.Length} places have a kink or a wild derivative. Use other sizes or a smaller spread.");
        }

        /// <summary>The slope between both sides, and by how much the slopes of the two sides differ.</summary>
        private (double Slope, double Bend) Differences(int parameter, float h, double middle)
        {
            var at = _workspace.Parameters[parameter];
            var (right, left) = (at + h, at - h);
            _workspace.Parameters[parameter] = right;
            var above = Value();
            _workspace.Parameters[parameter] = left;
            var below = Value();
            _workspace.Parameters[parameter] = at;

            // The points that float32 could hold are not exactly h away.
            return ((above - below) / ((double)right - left), ((above - middle) / ((double)right - at)) - ((middle - below) / ((double)at - left)));
        }

        private double Value()
        {
            _workspace.Train(3, 5, _segments, _gradients, _sums, new LocalExchange(_segments.Length));
            return _sums.Sum(static leaf => leaf.Loss);
        }
    }

    /// <summary>Σ r·y of each row, r given as targets: dy = r.</summary>
    private sealed class WeightedSumLoss : Loss
    {
        public override string Name => "weighted-sum";

        public override LossTargets Targets => LossTargets.Values;

        public override int? OutputsFor(int targets) => targets;

        private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
        {
            targets.CopyTo(dz);
            var columns = z.Length / losses.Length;
            for (var row = 0; row < losses.Length; row++)
            {
                var sum = 0.0;
                for (var i = row * columns; i < (row + 1) * columns; i++)
                {
                    sum += (double)z[i] * targets[i];
                }

                losses[row] = (float)sum;
            }
        }
    }

    /// <summary>y(B,C) = x(B,C) + p(B,C) with the parameter p.</summary>
    private sealed record ProbeDefinition(int Rows) : LayerDefinition
    {
        internal override Shape Declare(ModelDeclaration model, Shape input)
        {
            model.Parameter("probe", new Shape(Rows, input.Elements), decays: false, new InitialValue(0));
            return input;
        }

        internal override Variable Build(ModelGraph graph, Variable x)
        {
            var y = graph.Graph.Output(x.Shape);
            graph.Graph.Add(new ProbeOperation(x, graph.Parameter("probe"), y), x);
            return y;
        }
    }

    // dp of a leaf = dy of its rows, and 0 elsewhere
    private sealed class ProbeOperation(Variable x, ParameterSlot probe, Variable y) : Operation
    {
        public override void Forward(Pass pass)
        {
            var values = y.Value(pass.Rows);
            var offsets = probe.In(pass.Parameters);
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = x.Value(pass.Rows)[i] + offsets[i];
            }
        }

        public override void Backward(Pass pass)
        {
            for (var i = 0; i < pass.Segments.Length; i++)
            {
                var (first, length) = (pass.Segments[i].FirstRow * y.Columns, pass.Segments[i].Rows * y.Columns);
                var gradient = probe.In(pass.Gradients[i]);
                gradient.Clear();
                y.Gradient(pass.Rows).Slice(first, length).CopyTo(gradient[first..]);
            }
        }
    }
}
