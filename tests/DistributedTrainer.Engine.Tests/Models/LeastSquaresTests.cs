using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Linear regression (M3) and polynomial regression (M4).</summary>
public sealed class LeastSquaresTests
{
    private const int Rows = 40;

    [Theory]
    [InlineData(0)]
    [InlineData(0.05f)]
    public void Gradient_descent_reaches_the_weights_of_the_direct_solution(float weightDecay)
    {
        var x = Numbers.Normal(Rows * 3, 1, mean: 0.5);
        float[] y = [.. Numbers.Normal(Rows, 2, deviation: 0.3).Select((noise, row) => (2 * x[3 * row]) - x[(3 * row) + 1] + (0.5f * x[(3 * row) + 2]) + 3 + noise)];
        var model = new Model(new ModelDefinition(new Shape(3), [new LinearDefinition(1)], new InitialWeights(InitialWeightsKind.Zeros)));
        var training = new LocalTraining(model, new MeanSquaredErrorLoss(), new Sgd(), Rows) { WeightDecay = weightDecay };
        for (var step = 0; step < 600; step++)
        {
            training.Step(x, [], y, [15, 25], 0.1f);
        }

        // λ₂/2 ‖w‖² beside the mean over B rows is λ = B λ₂ / 2 beside their sum.
        var direct = LeastSquares.Fit(x, y, Rows, ridge: Rows * weightDecay / 2);
        AssertBits.Near([.. direct.Weights, .. direct.Intercepts], training.Parameters, 1e-4, 1e-6, "weights and intercept");
    }

    [Fact]
    public void Several_targets_are_solved_each_by_itself()
    {
        var (x, y) = (Wide(Numbers.Normal(Rows * 2, 3)), Wide(Numbers.Normal(Rows * 2, 4)));
        var both = LeastSquares.Fit(x, y, Rows);
        var second = LeastSquares.Fit(x, [.. Enumerable.Range(0, Rows).Select(row => y[(2 * row) + 1])], Rows);
        Assert.Equal(second.Weights[0], both.Weights[2], 1e-12);
        Assert.Equal(second.Weights[1], both.Weights[3], 1e-12);
        Assert.Equal(second.Intercepts[0], both.Intercepts[1], 1e-12);
        Assert.Equal(second.Predict([1, 2])[0], both.Predict([1, 2])[1], 1e-12);
        Assert.Throws<ArgumentException>(() => both.Predict([1]));
    }

    [Fact]
    public void Exact_data_gives_exact_weights()
    {
        double[] x = [0, 0, 1, 0, 0, 1, 1, 1, 3, 5];
        var solution = LeastSquares.Fit(x, [.. Enumerable.Range(0, 5).Select(row => (2 * x[2 * row]) - (3 * x[(2 * row) + 1]) + 7)], 5);
        Assert.Equal(2, solution.Weights[0], 1e-13);
        Assert.Equal(-3, solution.Weights[1], 1e-13);
        Assert.Equal(7, solution.Intercepts[0], 1e-13);
    }

    [Fact]
    public void A_singular_system_names_the_collinear_columns_and_offers_ridge()
    {
        // c = 2 a − b, d is free, e is constant.
        var x = Columns(5, static (a, b, d) => [a, b, (2 * a) - b, d, 4]);
        var y = Wide(Numbers.Normal(Rows, 6));
        var message = Assert.Throws<ArgumentException>(() => LeastSquares.Fit(x, y, Rows, names: ["a", "b", "c", "d", "e"])).Message;
        Assert.Contains("column c is a linear combination of column a and column b;", message, StringComparison.Ordinal);
        Assert.Contains("column e is constant", message, StringComparison.Ordinal);
        Assert.DoesNotContain("column d", message, StringComparison.Ordinal);
        Assert.Contains("ridge above 0", message, StringComparison.Ordinal);
        Assert.Contains("column 2 is a linear combination of column 0 and column 1;", Assert.Throws<ArgumentException>(() => LeastSquares.Fit(x, y, Rows)).Message, StringComparison.Ordinal);

        // Ridge takes it, and shares the weight among columns that say the same.
        Assert.All(LeastSquares.Fit(x, y, Rows, ridge: 0.1).Weights, static w => Assert.True(double.IsFinite(w)));
        var twins = LeastSquares.Fit(Columns(2, static (a, _, _) => [a, a]), y, Rows, ridge: 0.1).Weights;
        Assert.Equal(twins[0], twins[1], 1e-12);
    }

    [Fact]
    public void Float32_columns_that_are_collinear_but_for_their_rounding_are_refused()
    {
        // The third column is the sum of the others, rounded: float64 alone would take the rounding for a column.
        var ab = Numbers.Normal(Rows * 2, 7, mean: 10);
        float[] x = [.. Enumerable.Range(0, Rows).SelectMany(row => new[] { ab[2 * row], ab[(2 * row) + 1], ab[2 * row] + (0.1f * ab[(2 * row) + 1]) })];
        var y = Numbers.Normal(Rows, 8);
        Assert.Contains("column 2 is a linear combination of column 0 and column 1.", Assert.Throws<ArgumentException>(() => LeastSquares.Fit(x, y, Rows)).Message, StringComparison.Ordinal);
        LeastSquares.Fit(ab, y, Rows);
    }

    [Fact]
    public void Nearly_collinear_columns_of_float64_are_solved()
    {
        var x = Columns(2, static (a, b, _) => [a, a + (1e-6 * b)]);
        var solution = LeastSquares.Fit(x, [.. Enumerable.Range(0, Rows).Select(row => x[2 * row] - (2 * x[(2 * row) + 1]))], Rows);
        Assert.Equal(1, solution.Weights[0], 1e-7);
        Assert.Equal(-2, solution.Weights[1], 1e-7);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        foreach (var (call, reason) in new (Action, string)[]
        {
            (static () => LeastSquares.Fit(new double[6], new double[2], 2), "2 rows cannot determine 3 weights and an intercept, 4 rows at least"),
            (static () => LeastSquares.Fit(new double[7], new double[3], 3), "7 inputs"),
            (static () => LeastSquares.Fit(new double[6], [], 3), "0 targets"),
            (static () => LeastSquares.Fit(new double[0], [], 0), "0 rows"),
            (static () => LeastSquares.Fit([1, double.NaN, 3], [1, 2, 3], 3), "input 0 of row 1 is NaN"),
            (static () => LeastSquares.Fit([1, 2, 3], [1, 2, double.PositiveInfinity], 3), "target 0 of row 2"),
            (static () => LeastSquares.Fit([1, 2, 3], [1, 2, 3], 3, ridge: -1), "ridge is -1"),
            (static () => LeastSquares.Fit([1, 2, 3], [1, 2, 3], 3, ridge: double.NaN), "ridge is NaN"),
            (static () => LeastSquares.Fit([1, 2, 3], [1, 2, 3], 3, names: ["a", "b"]), "2 names"),
            (static () => LeastSquares.Powers([1], 0), "degree is 0"),
        })
        {
            Assert.Contains(reason, Assert.ThrowsAny<ArgumentException>(call).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void With_the_degree_the_training_error_falls_and_the_validation_error_falls_and_rises()
    {
        // M4: 15 noisy points of a sine to learn from, 100 others to judge by.
        var (x, t) = Sine(15, seed: 9);
        var (otherX, otherT) = Sine(100, seed: 10);
        var (training, validation) = (new List<double>(), new List<double>());
        for (var degree = 1; degree <= 12; degree++)
        {
            var solution = LeastSquares.Fit(LeastSquares.Powers(x, degree), t, x.Length);
            training.Add(Error(solution, x, t, degree));
            validation.Add(Error(solution, otherX, otherT, degree));
        }

        Assert.All(training.Zip(training.Skip(1)), static pair => Assert.True(pair.Second <= pair.First));
        var best = validation.IndexOf(validation.Min()) + 1;
        Assert.InRange(best, 3, 6);
        Assert.True(validation[0] > 2 * validation[best - 1], $"degree 1 has {validation[0]}, the best degree {best} has {validation[best - 1]}");
        Assert.True(validation[^1] > 2 * validation[best - 1], $"degree 12 has {validation[^1]}, the best degree {best} has {validation[best - 1]}");
    }

    private static (double[] X, double[] T) Sine(int count, int seed)
    {
        var x = Array.ConvertAll(Numbers.Normal(count, seed), static value => Math.Tanh(value));
        var noise = Numbers.Normal(count, seed + 100, deviation: 0.2);
        return (x, [.. x.Select((value, i) => Math.Sin(3 * value) + noise[i])]);
    }

    private static double Error(LinearSolution solution, double[] x, double[] t, int degree)
    {
        var powers = LeastSquares.Powers(x, degree);
        return x.Index().Average(row => Math.Pow(solution.Predict(powers.AsSpan(row.Index * degree, degree))[0] - t[row.Index], 2));
    }

    private static double[] Columns(int count, Func<double, double, double, double[]> row)
    {
        var free = Wide(Numbers.Normal(Rows * 3, 5));
        double[] x = [.. Enumerable.Range(0, Rows).SelectMany(i => row(free[3 * i], free[(3 * i) + 1], free[(3 * i) + 2]))];
        Assert.Equal(Rows * count, x.Length);
        return x;
    }

    private static double[] Wide(float[] values) => Array.ConvertAll(values, static value => (double)value);
}
