using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>least-squares.json, in float64: 1e-9 relative, 1e-10 absolute. Weights, then the intercept; of polynomials the constant first.</summary>
public sealed class LeastSquaresGoldenTests
{
    private static readonly GoldenCase Golden = GoldenFile.Whole("least-squares");

    [Fact]
    public void Direct_solution_agrees() => Compare(Golden.Array("weights"), Fit(0), "weights");

    [Fact]
    public void Ridge_agrees() => Compare(Golden.Part("ridge").Array("weights"), Fit(Golden.Part("ridge").Number("lambda")), "ridge");

    [Fact]
    public void Polynomial_agrees()
    {
        var golden = Golden.Part("polynomial");
        var x = golden.Array("x");
        var solution = LeastSquares.Fit(LeastSquares.Powers(x.Values, (int)golden.Number("degree")), golden.Array("y").Values, x.Rows);
        Compare(golden.Array("coefficients"), [.. solution.Intercepts, .. solution.Weights], "polynomial");
    }

    private static double[] Fit(double ridge)
    {
        var (x, y) = (Golden.Array("x"), Golden.Array("y"));
        var solution = LeastSquares.Fit(x.Values, y.Values, x.Rows, ridge);
        return [.. solution.Weights, .. solution.Intercepts];
    }

    private static void Compare(GoldenArray expected, double[] actual, string what)
    {
        Assert.Equal(expected.Values.Length, actual.Length);
        foreach (var (i, value) in expected.Values.Index())
        {
            Assert.True(Math.Abs(actual[i] - value) <= Math.Max(1e-10, 1e-9 * Math.Abs(value)), $"{what}: number {i} is {actual[i]:R}, the reference is {value:R}.");
        }
    }
}
