using System.Globalization;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Perceptrons (M1, M2), logistic regression (M5) and softmax regression (M6): their updates and gradients.</summary>
public sealed class LinearModelTests
{
    private const float Rate = 0.5f;

    [Fact]
    public void A_perceptron_adds_rate_times_target_times_row_after_a_mistake_and_does_nothing_otherwise()
    {
        var training = new LocalTraining(Linear(3, 1), new PerceptronLoss(), new Sgd(), 1);
        float[] start = [0.3f, -0.2f, 0.7f, 0.1f];
        float[] x = [1.1f, 2.3f, -0.4f];
        foreach (var label in (int[])[0, 1])
        {
            // z = −0.31 speaks for class 0, t = −1.
            start.CopyTo(training.Parameters);
            var loss = training.Step(x, [label], [], [1], Rate);
            Assert.Equal(label == 0 ? 0 : 0.31, loss, 1e-6);
            float[] expected = label == 0 ? start : [start[0] + (Rate * x[0]), start[1] + (Rate * x[1]), start[2] + (Rate * x[2]), start[3] + Rate];
            AssertBits.Equal(expected, training.Parameters, $"weights and bias after class {label}");
        }

        // The same mistake on the other side: t = −1, z = 0.31.
        Array.ConvertAll(start, static w => -w).CopyTo(training.Parameters);
        training.Step(x, [0], [], [1], Rate);
        AssertBits.Equal([-start[0] - (Rate * x[0]), -start[1] - (Rate * x[1]), -start[2] - (Rate * x[2]), -start[3] - Rate], training.Parameters, "weights and bias after class 0");
    }

    [Fact]
    public void A_perceptron_converges_on_iris_setosa_against_the_rest_and_stays()
    {
        var (x, labels) = Iris("setosa");
        var training = new LocalTraining(Linear(4, 1), new PerceptronLoss(), new Sgd(), labels.Length);
        var (epochs, mistakes) = (0, labels.Length);
        for (; mistakes > 0 && epochs < 100; epochs++)
        {
            mistakes = Epoch(training, x, labels);
        }

        Assert.InRange(epochs, 2, 20);
        Evaluate(training, x, labels, out var sums);
        Assert.Equal(150, sums.Correct);
        Assert.Equal(0, sums.Loss);

        var converged = training.Parameters.ToArray();
        Epoch(training, x, labels);
        AssertBits.Equal(converged, training.Parameters, "weights after an epoch without mistakes");
    }

    [Fact]
    public void A_perceptron_does_not_converge_on_versicolor_against_the_rest()
    {
        // Not separable: some row is wrong in every epoch.
        var (x, labels) = Iris("versicolor");
        var training = new LocalTraining(Linear(4, 1), new PerceptronLoss(), new Sgd(), labels.Length);
        for (var epoch = 0; epoch < 100; epoch++)
        {
            Assert.True(Epoch(training, x, labels) > 0);
        }
    }

    [Fact]
    public void A_multiclass_perceptron_lowers_the_classes_above_the_right_one_and_raises_that()
    {
        // With w = 0 the scores are the biases: classes 1 and 3 are above class 0, class 2 is below.
        var training = new LocalTraining(Linear(2, 4), new MulticlassPerceptronLoss(), new Sgd(), 1);
        training.Parameters.Clear();
        new float[] { 1, 2, 0.5f, 3 }.CopyTo(training.Parameters[8..]);
        float[] x = [1.5f, -2.5f];
        Assert.Equal(3, training.Step(x, [0], [], [1], Rate));
        AssertBits.Equal(
            [2 * Rate * x[0], 2 * Rate * x[1], -Rate * x[0], -Rate * x[1], 0, 0, -Rate * x[0], -Rate * x[1], 1 + (2 * Rate), 2 - Rate, 0.5f, 3 - Rate],
            training.Parameters,
            "weights and biases");

        // The right class is above all others now: nothing moves any more.
        var after = training.Parameters.ToArray();
        Assert.Equal(0, training.Step(x, [0], [], [1], Rate));
        AssertBits.Equal(after, training.Parameters, "weights and biases after a row without a mistake");
    }

    [Fact]
    public void A_multiclass_perceptron_learns_three_separable_classes()
    {
        var (x, labels) = Clusters(60, 5);
        var training = new LocalTraining(Linear(2, 3), new MulticlassPerceptronLoss(), new Sgd(), labels.Length);
        var (epochs, mistakes) = (0, labels.Length);
        for (; mistakes > 0 && epochs < 100; epochs++)
        {
            mistakes = Epoch(training, x, labels);
        }

        Assert.InRange(epochs, 2, 50);
        Evaluate(training, x, labels, out var sums);
        Assert.Equal(60, sums.Correct);
    }

    [Fact]
    public void The_gradient_of_logistic_regression_is_minus_sigma_of_minus_tz_times_t_times_x()
    {
        var (x, labels) = (Numbers.Normal(7 * 3, 1), Numbers.Below(7, 2, 2));
        var (parameters, gradient) = Gradient(Linear(3, 1), new LogisticLoss(), x, labels);
        var expected = new double[4];
        for (var row = 0; row < 7; row++)
        {
            var t = (2 * labels[row]) - 1;
            var z = Score(parameters, x, row, 0, inputs: 3, classes: 1);
            Add(expected, -t / (1 + Math.Exp(t * z)), x, row, 0, inputs: 3, classes: 1);
        }

        AssertBits.Near(expected, gradient, 1e-5, 1e-6, "gradient");
    }

    [Fact]
    public void The_gradient_of_softmax_regression_is_p_minus_onehot_times_x()
    {
        var (x, labels) = (Numbers.Normal(7 * 3, 3), Numbers.Below(7, 4, 4));
        var (parameters, gradient) = Gradient(Linear(3, 4), new CrossEntropyLoss(), x, labels);
        var expected = new double[16];
        for (var row = 0; row < 7; row++)
        {
            double[] e = [.. Enumerable.Range(0, 4).Select(c => Math.Exp(Score(parameters, x, row, c, inputs: 3, classes: 4)))];
            for (var c = 0; c < 4; c++)
            {
                Add(expected, (e[c] / e.Sum()) - (c == labels[row] ? 1 : 0), x, row, c, inputs: 3, classes: 4);
            }
        }

        AssertBits.Near(expected, gradient, 1e-5, 1e-6, "gradient");
    }

    private static Model Linear(int inputs, int outputs) =>
        new(new ModelDefinition(new Shape(inputs), [new LinearDefinition(outputs)], new InitialWeights(InitialWeightsKind.Normal, 0.1)));

    // One row a step; how many of them had a loss.
    private static int Epoch(LocalTraining training, float[] x, int[] labels)
    {
        var columns = x.Length / labels.Length;
        return Enumerable.Range(0, labels.Length).Count(row => training.Step(x.AsSpan(row * columns, columns), [labels[row]], [], [1], Rate) > 0);
    }

    private static void Evaluate(LocalTraining training, float[] x, int[] labels, out LeafSums sums)
    {
        x.CopyTo(training.Workspace.Input(labels.Length));
        labels.CopyTo(training.Workspace.Labels(labels.Length));
        training.Workspace.Evaluate(labels.Length, out sums);
    }

    private static (float[] Parameters, float[] Gradient) Gradient(Model model, Loss loss, float[] x, int[] labels)
    {
        var workspace = model.CreateWorkspace(loss, labels.Length);
        model.Initialize(workspace.Parameters, workspace.Buffers, 1);
        x.CopyTo(workspace.Input(labels.Length));
        labels.CopyTo(workspace.Labels(labels.Length));
        var gradient = new AlignedBuffer(model.Layout.Length);
        workspace.Train(0, 1, Leaves.Of(labels.Length), [gradient], new LeafSums[1], new LocalExchange(1));
        return (workspace.Parameters.ToArray(), gradient.Span.ToArray());
    }

    // Weights (classes, inputs), then biases.
    private static double Score(float[] parameters, float[] x, int row, int c, int inputs, int classes) =>
        Enumerable.Range(0, inputs).Sum(i => (double)parameters[(c * inputs) + i] * x[(row * inputs) + i]) + parameters[(classes * inputs) + c];

    private static void Add(double[] gradient, double dz, float[] x, int row, int c, int inputs, int classes)
    {
        for (var i = 0; i < inputs; i++)
        {
            gradient[(c * inputs) + i] += dz * x[(row * inputs) + i];
        }

        gradient[(classes * inputs) + c] += dz;
    }

    [Fact]
    public void Least_squares_on_diabetes_explains_as_much_as_scikit_learn_says()
    {
        var rows = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "data", "diabetes.csv")).Skip(1)
            .Select(static line => line.Split(',').Select(static value => double.Parse(value, CultureInfo.InvariantCulture)).ToArray()).ToArray();
        Assert.Equal(442, rows.Length);
        double[] targets = [.. rows.Select(static row => row[10])];
        var solution = LeastSquares.Fit(rows.SelectMany(static row => row[..10]).ToArray(), targets, rows.Length);
        var metrics = new Engine.Metrics.RegressionMetrics();
        foreach (var row in rows)
        {
            metrics.Add([(float)row[10]], [(float)solution.Predict(row.AsSpan(0, 10))[0]]);
        }

        // LinearRegression().fit(X, y).score(X, y) of scikit-learn on the same rows is 0.51775.
        Assert.Equal(0.51775, metrics.RSquared, 0.0001);
    }

    private static (float[] X, int[] Labels) Iris(string species)
    {
        var rows = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "data", "iris.csv")).Skip(1).Select(static line => line.Split(',')).ToArray();
        Assert.Equal(150, rows.Length);
        return ([.. rows.SelectMany(static row => row[..4].Select(static value => float.Parse(value, CultureInfo.InvariantCulture)))], [.. rows.Select(row => row[4] == species ? 1 : 0)]);
    }

    // Three clouds around the corners of a triangle, wide apart.
    private static (float[] X, int[] Labels) Clusters(int rows, int seed)
    {
        (float X, float Y)[] centres = [(0, 5), (-5, -3), (5, -3)];
        var noise = Numbers.Normal(2 * rows, seed, deviation: 0.7);
        int[] labels = [.. Enumerable.Range(0, rows).Select(static row => row % 3)];
        return ([.. labels.SelectMany((label, row) => new[] { centres[label].X + noise[2 * row], centres[label].Y + noise[(2 * row) + 1] })], labels);
    }
}
