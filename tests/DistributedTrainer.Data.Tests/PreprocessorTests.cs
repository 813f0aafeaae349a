using CsCheck;

namespace DistributedTrainer.Data.Tests;

public class PreprocessorTests
{
    private static readonly Gen<float[][]> Matrices =
        from rows in Gen.Int[2, 30]
        from columns in Gen.Int[1, 5]
        from values in Gen.Float[-1000, 1000].Array[rows * columns]
        select values.Chunk(columns).ToArray();

    private static PreprocessingStep Step(PreprocessStep kind, double factor = 1) => new(kind) { Factor = factor };

    private static float[][] Fit(float[][] rows, int[] training, params PreprocessingStep[] steps)
    {
        var dataset = Tables.WithFeatures(rows);
        var preprocessor = Preprocessor.Fit(dataset, training, steps);
        return [.. Enumerable.Range(0, rows.Length).Select(row => Tables.Apply(preprocessor, dataset, row))];
    }

    private static int[] All(float[][] rows) => [.. Enumerable.Range(0, rows.Length)];

    private static IEnumerable<double> Column(float[][] rows, int column) => rows.Select(row => (double)row[column]);

    [Fact]
    public void Centred_columns_have_a_mean_of_zero() => Property.For(Matrices, static rows =>
    {
        var result = Fit(rows, All(rows), Step(PreprocessStep.Center));

        for (var column = 0; column < rows[0].Length; column++)
        {
            Assert.Equal(0, Column(result, column).Average(), 1e-3);
            Assert.Equal(rows[0][column] - rows[1][column], result[0][column] - result[1][column], 1e-3);
        }
    });

    [Fact]
    public void Standardized_columns_have_mean_zero_and_deviation_one() => Property.For(Matrices, static rows =>
    {
        var result = Fit(rows, All(rows), Step(PreprocessStep.Standardize));

        for (var column = 0; column < rows[0].Length; column++)
        {
            Assert.Equal(0, Column(result, column).Average(), 1e-5);
            Assert.Equal(1, Column(result, column).Average(static value => value * value), 1e-4);
        }
    });

    [Fact]
    public void Columns_scaled_to_their_range_run_from_zero_to_one() => Property.For(Matrices, static rows =>
    {
        var result = Fit(rows, All(rows), Step(PreprocessStep.MinMax));

        for (var column = 0; column < rows[0].Length; column++)
        {
            Assert.Equal(0, Column(result, column).Min());
            Assert.Equal(1, Column(result, column).Max(), 1e-6);
        }
    });

    [Fact]
    public void Scaling_multiplies() => Assert.Equal([[0.5f, -1f], [2f, 0f]], Fit([[8, -16], [32, 0]], [0, 1], Step(PreprocessStep.Scale, 0.0625)));

    [Fact]
    public void Statistics_are_those_of_the_definition()
    {
        // Mean 5, standard deviation 2 (over n, not n - 1).
        float[][] rows = [[2], [4], [4], [4], [5], [5], [7], [9]];

        Assert.Equal([-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2], Column(Fit(rows, All(rows), Step(PreprocessStep.Standardize)), 0));
        Assert.Equal([-3, -1, -1, -1, 0, 0, 2, 4], Column(Fit(rows, All(rows), Step(PreprocessStep.Center)), 0));
        Assert.Equal(Column(rows, 0).Select(static value => (double)(float)((value - 2) / 7)), Column(Fit(rows, All(rows), Step(PreprocessStep.MinMax)), 0));
    }

    [Fact]
    public void Only_training_rows_decide() => Property.For(Matrices.Where(static rows => rows.Length > 2), static rows =>
    {
        int[] training = [0, 1];
        foreach (var step in Enum.GetValues<PreprocessStep>().Take(4))
        {
            var others = rows.Select((row, index) => index < 2 ? row : [.. row.Select(static value => value * 7)]).ToArray();

            Assert.Equal(Fit(rows, training, Step(step, 2))[..2], Fit(others, training, Step(step, 2))[..2]);
        }
    });

    [Fact]
    public void Each_step_is_fitted_on_what_the_steps_before_made()
    {
        float[][] rows = [[0], [5], [10]];

        Assert.Equal([-1, 0, 1], Column(Fit(rows, [0, 1, 2], Step(PreprocessStep.MinMax), Step(PreprocessStep.Center), Step(PreprocessStep.Scale, 2)), 0));
        Assert.Equal([0, 0.5, 1], Column(Fit(rows, [0, 1, 2], Step(PreprocessStep.Scale, 2), Step(PreprocessStep.Center), Step(PreprocessStep.MinMax)), 0));
    }

    [Theory]
    [InlineData(PreprocessStep.Standardize)]
    [InlineData(PreprocessStep.MinMax)]
    public void A_column_that_is_constant_in_the_training_rows_becomes_zero_and_is_named(PreprocessStep step)
    {
        var dataset = Tables.WithFeatures([0.1f, 1], [0.1f, 2], [0.1f, 4], [9, 4]);
        var preprocessor = Preprocessor.Fit(dataset, [0, 1, 2], [Step(step)]);

        Assert.Equal(["x0"], preprocessor.ConstantColumns);
        foreach (var row in Enumerable.Range(0, 4))
        {
            Assert.Equal(0, Tables.Apply(preprocessor, dataset, row)[0]);
        }
    }

    [Fact]
    public void A_constant_column_is_centred_to_exactly_zero()
    {
        // The sum of 49 times 0.1 is rounded, and so is its 49th part.
        var rows = Enumerable.Repeat(new[] { 0.1f }, 49).ToArray();

        Assert.All(Column(Fit(rows, All(rows), Step(PreprocessStep.Center)), 0), static value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_single_training_row_makes_every_column_constant() =>
        Assert.Equal([[0f, 0f], [0f, 0f]], Fit([[3, 4], [5, 6]], [0], Step(PreprocessStep.Standardize)));

    [Fact]
    public void No_training_row_is_refused() =>
        Assert.Throws<ArgumentException>(() => Preprocessor.Fit(Tables.WithFeatures([1f]), [], [Step(PreprocessStep.Center)]));

    [Theory]
    [InlineData(PreprocessStep.Standardize)]
    [InlineData(PreprocessStep.MinMax)]
    [InlineData(PreprocessStep.Center)]
    public void The_ends_of_the_number_range_stay_finite(PreprocessStep step)
    {
        float[][] rows = [[float.MaxValue, float.Epsilon], [float.MinValue, 0], [0, float.Epsilon]];
        var result = Fit(rows, [0, 1, 2], Step(step));

        Assert.All(result.SelectMany(static row => row), static value => Assert.True(float.IsFinite(value)));
        Assert.NotEqual(result[0][0], result[1][0]);
        if (step == PreprocessStep.MinMax)
        {
            Assert.Equal([[1f, 1f], [0f, 0f], [0.5f, 1f]], result);
        }
    }

    [Fact]
    public void A_small_spread_around_a_large_mean_is_kept()
    {
        // 2^24: neighbouring numbers are 2 apart, and the mean lies between two of them.
        float[][] rows = [[16777216], [16777218], [16777220], [16777218]];

        Assert.Equal([-Math.Sqrt(2), 0, Math.Sqrt(2), 0], Column(Fit(rows, [0, 1, 2, 3], Step(PreprocessStep.Standardize)), 0), Close);
        Assert.Equal(0, Column(Fit([[16777216], [16777218]], [0, 1], Step(PreprocessStep.Center)), 0).Sum());
    }

    [Fact]
    public void The_same_data_gives_the_same_bits()
    {
        var dataset = DatasetReader.Read("wine", null, null, "", [])!;
        var split = DataSplit.Draw(dataset, 0.2, 0.2, stratify: true, 3);
        var (first, second) = (Preprocessor.Fit(dataset, split.Training, [Step(PreprocessStep.Standardize)]), Preprocessor.Fit(dataset, split.Training, [Step(PreprocessStep.Standardize)]));

        Assert.Equal(first.ToJson(), second.ToJson());
    }

    private static bool Close(double expected, double actual) => Math.Abs(expected - actual) <= 1e-6 * Math.Abs(expected);
}
