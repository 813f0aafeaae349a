using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Diagnostics;

/// <summary>How <see cref="GradientCheck"/> compares.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>h, the first step of the difference, above 0. Default 0.02: larger ones bend, smaller ones drown in the rounding of float32.</summary>
    public float Step { get; init; } = 0.02f;

    /// <summary>The largest relative error that passes, above 0. Default 0.01: any wrong factor, sign or missing term is larger.</summary>
    public double Tolerance { get; init; } = 0.01;

    /// <summary>Elements of a parameter that are looked at, at least 1; of larger ones a sample, spread evenly. Default 64.</summary>
    public int ElementsPerParameter { get; init; } = 64;

    /// <summary>Keys the sample and the dropout masks. Default 0.</summary>
    public ulong Seed { get; init; }
}

/// <summary>The comparison for one parameter.</summary>
/// <param name="Name">Such as "0.weight".</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Checked">Elements that were compared.</param>
/// <param name="Skipped">Elements where the loss has a kink within the step (relu, max, hinge), so that there is nothing to compare with.</param>
/// <param name="LargestError">The largest relative error; 0 where nothing was compared, NaN where a gradient is.</param>
/// <param name="Element">Where that is, as a place in the parameter read row by row.</param>
/// <param name="Analytic">The gradient there as the engine computes it.</param>
/// <param name="Numeric">The gradient there by differences.</param>
/// <param name="Passed">Whether the largest error is within the tolerance, and at least one element was compared.</param>
public sealed record ParameterCheck(string Name, Shape Shape, int Checked, int Skipped, double LargestError, int Element, double Analytic, double Numeric, bool Passed);

/// <summary>The comparison for all parameters of a model.</summary>
/// <param name="Parameters">In the order of the layers.</param>
public sealed record GradientCheckResult(IReadOnlyList<ParameterCheck> Parameters)
{
    /// <summary>Whether every parameter passed.</summary>
    public bool Passed => Parameters.All(static parameter => parameter.Passed);
}

/// <summary>
/// Analytic gradients of the mean loss f against numeric ones, D(h) = (f(w+h) − f(w−h)) / 2h, element by element; as in
/// training: batch-norm by the statistics of the batch, dropout with masks that stay the same.
/// <para>
/// f is computed in float32 and its rows summed in float64. The numeric gradient is (4 D(h) − D(2h)) / 3, whose error is
/// of order h⁴ (Richardson, 1911). Where D(h) and D(2h) contradict each other there is a kink or a strong bend between the
/// points: then h / 4 and h / 16 are tried, and the element is skipped if they do not agree either.
/// </para>
/// <para>
/// The relative error is |numeric − analytic| over the largest of |numeric|, |analytic|, a tenth of the largest analytic
/// gradient of the parameter, and 0.01 · max(1, f): below the latter lies the rounding of f, so that gradients which are
/// all smaller than a ten-thousandth of f are not told from 0.
/// </para>
/// </summary>
public static class GradientCheck
{
    /// <summary>Checks a network with the loss of its last fit, or the default for the kind of target.</summary>
    /// <param name="network">The network; stays as it is.</param>
    /// <param name="examples">Some rows, all in one batch: a dozen will do.</param>
    /// <param name="options">Null: all defaults.</param>
    /// <exception cref="ArgumentException">The rows or options do not fit; names all that is wrong.</exception>
    public static GradientCheckResult Run(Network network, Examples examples, GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(examples);
        return Run(network.Model, network.LossFor(examples.Kind), network.Parameters, examples, options);
    }

    /// <summary>Checks a model with any loss, at any parameters.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loss">What is minimised.</param>
    /// <param name="parameters">The flat parameter vector.</param>
    /// <param name="examples">Some rows, all in one batch: a dozen will do.</param>
    /// <param name="options">Null: all defaults.</param>
    /// <exception cref="ArgumentException">The rows, parameters or options do not fit; names all that is wrong.</exception>
    public static GradientCheckResult Run(Model model, Loss loss, ReadOnlySpan<float> parameters, Examples examples, GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(examples);
        options ??= new GradientCheckOptions();
        var problems = new List<string>();
        examples.FindProblems("gradient check", model, loss, problems);
        if (!(options.Step > 0 && float.IsFinite(options.Step)) || !(options.Tolerance > 0) || options.ElementsPerParameter < 1)
        {
            problems.Add($"gradient check: Step is {options.Step}, Tolerance {options.Tolerance} and ElementsPerParameter {options.ElementsPerParameter}; the first two must be above 0, the last at least 1.");
        }

        if (parameters.Length != model.Layout.Length)
        {
            problems.Add($"gradient check: there are {parameters.Length} parameters, the model has {model.Layout.Length}.");
        }

        Network.Refuse(problems);
        return new Comparison(model, loss, parameters, examples, options).Result();
    }

    private sealed class Comparison
    {
        private readonly Model _model;
        private readonly GradientCheckOptions _options;
        private readonly Workspace _workspace;
        private readonly LeafSegment[] _segments;
        private readonly LeafSums[] _sums = new LeafSums[1];
        private readonly AlignedBuffer _gradient;
        private readonly LocalExchange _exchange = new(1);
        private readonly int _rows;
        private readonly double _middle;

        public Comparison(Model model, Loss loss, ReadOnlySpan<float> parameters, Examples examples, GradientCheckOptions options)
        {
            (_model, _options, _rows) = (model, options, examples.RowsFor(model));
            _workspace = model.CreateWorkspace(loss, _rows);
            _segments = [new LeafSegment(0, 0, _rows)];
            _gradient = new AlignedBuffer(model.Layout.Length);
            parameters.CopyTo(_workspace.Parameters);
            examples.Gather(0, _rows, _workspace);
            _workspace.Train(0, options.Seed, _segments, [_gradient], _sums, _exchange);
            _middle = _sums[0].Loss / _rows;
        }

        public GradientCheckResult Result() => new([.. _model.Layout.Slots.Select(Check)]);

        private ParameterCheck Check(ParameterSlot slot, int index)
        {
            var smallest = Math.Max(0.1 * Largest(slot) / _rows, 0.01 * Math.Max(1, _middle));
            var (count, skipped, worst) = (0, 0, (Error: 0.0, Element: 0, Analytic: 0.0, Numeric: 0.0));
            foreach (var element in Sample(slot.Shape.Elements, index))
            {
                var analytic = (double)_gradient.Span[slot.Offset + element] / _rows;
                if (Numeric(slot.Offset + element, smallest) is not { } numeric)
                {
                    skipped++;
                    continue;
                }

                var error = Math.Abs(numeric - analytic) / Math.Max(smallest, Math.Max(Math.Abs(numeric), Math.Abs(analytic)));
                if (count++ == 0 || !(error <= worst.Error))
                {
                    worst = (error, element, analytic, numeric);
                    if (double.IsNaN(error))
                    {
                        break;
                    }
                }
            }

            return new ParameterCheck(
                slot.Name, slot.Shape, count, skipped, worst.Error, worst.Element, worst.Analytic, worst.Numeric, count > 0 && worst.Error <= _options.Tolerance);
        }

        /// <summary>Each of as many equal parts gives one element, so none comes twice.</summary>
        private IEnumerable<int> Sample(int elements, int parameter)
        {
            var count = Math.Min(elements, _options.ElementsPerParameter);
            var stream = new RandomStream(_options.Seed, RandomPurpose.Sample, layer: parameter);
            for (var part = 0L; part < count; part++)
            {
                var (first, end) = ((int)(part * elements / count), (int)((part + 1) * elements / count));
                yield return first + stream.Below(part, end - first);
            }
        }

        /// <summary>Null where the differences contradict each other at every step.</summary>
        private double? Numeric(int parameter, double smallest)
        {
            for (var h = _options.Step; h >= _options.Step / 16; h /= 4)
            {
                var (narrow, narrowBend) = Differences(parameter, h);
                var (wide, wideBend) = Differences(parameter, 2 * h);

                // Where f is smooth, the slopes of both sides differ in proportion to h.
                var contradiction = Math.Max(Math.Abs(narrow - wide), Math.Abs((2 * narrowBend) - wideBend));
                if (!(contradiction > _options.Tolerance * Math.Max(smallest, Math.Abs(wide))))
                {
                    return ((4 * narrow) - wide) / 3;
                }
            }

            return null;
        }

        /// <summary>The slope between both sides, and by how much the slopes of the two sides differ.</summary>
        private (double Slope, double Bend) Differences(int parameter, float h)
        {
            var at = _workspace.Parameters[parameter];
            var (right, left) = (at + h, at - h);
            var (above, below) = (Value(parameter, right), Value(parameter, left));
            _workspace.Parameters[parameter] = at;

            // The points that float32 can hold are not exactly h away.
            return ((above - below) / ((double)right - left), ((above - _middle) / ((double)right - at)) - ((_middle - below) / ((double)at - left)));
        }

        private double Value(int parameter, float value)
        {
            _workspace.Parameters[parameter] = value;
            _workspace.TrainForward(0, _options.Seed, _segments, _sums, _exchange);
            return _sums[0].Loss / _rows;
        }

        private double Largest(ParameterSlot slot)
        {
            var largest = 0.0;
            foreach (var gradient in slot.In(_gradient))
            {
                largest = Math.Max(largest, Math.Abs(gradient));
            }

            return largest;
        }
    }
}
