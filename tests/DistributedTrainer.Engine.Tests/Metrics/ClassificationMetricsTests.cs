using CsCheck;
using DistributedTrainer.Engine.Metrics;

namespace DistributedTrainer.Engine.Tests.Metrics;

/// <summary>Counts, shares and ranks: to 1e-12 of what a person computes from the definitions.</summary>
public sealed class ClassificationMetricsTests
{
    // Labels     0 0 0 0 1 1 1 2 2 2
    // Predicted  0 0 1 2 1 1 0 2 2 1   →   rows are labels:  0: 2 1 1   1: 1 2 0   2: 0 1 2
    private static readonly int[] Labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
    private static readonly int[] Predicted = [0, 0, 1, 2, 1, 1, 0, 2, 2, 1];

    [Fact]
    public void The_matrix_counts_labels_against_predictions()
    {
        var matrix = Matrix(3, Labels, Predicted);
        long[][] expected = [[2, 1, 1], [1, 2, 0], [0, 1, 2]];
        for (var label = 0; label < 3; label++)
        {
            Assert.Equal(expected[label], Enumerable.Range(0, 3).Select(predicted => matrix[label, predicted]));
        }

        Assert.Equal((10, 6, 0.6), (matrix.Rows, matrix.Correct, matrix.Accuracy));
        Assert.Equal([4L, 3, 3], Enumerable.Range(0, 3).Select(matrix.Support));
        Assert.Equal([3L, 4, 3], Enumerable.Range(0, 3).Select(matrix.Predicted));
    }

    [Fact]
    public void Precision_recall_and_F1_are_as_computed_by_hand()
    {
        // precision: 2/3, 2/4, 2/3; recall: 2/4, 2/3, 2/3; F1 = 2 TP / (support + predicted): 4/7, 4/7, 4/6.
        var matrix = Matrix(3, Labels, Predicted);
        AssertNear([2.0 / 3, 0.5, 2.0 / 3], Enumerable.Range(0, 3).Select(matrix.Precision));
        AssertNear([0.5, 2.0 / 3, 2.0 / 3], Enumerable.Range(0, 3).Select(matrix.Recall));
        AssertNear([4.0 / 7, 4.0 / 7, 2.0 / 3], Enumerable.Range(0, 3).Select(matrix.F1));

        // (2/3 + 1/2 + 2/3) / 3 = 11/18, the same of the recalls, (4/7 + 4/7 + 2/3) / 3 = 38/63.
        AssertNear([11.0 / 18, 11.0 / 18, 38.0 / 63], [matrix.MacroPrecision, matrix.MacroRecall, matrix.MacroF1]);
    }

    [Fact]
    public void The_example_of_the_scikit_learn_guide_gives_its_values()
    {
        // precision_recall_fscore_support([0,1,2,0,1,2], [0,2,1,0,0,1], average="macro"): 0.222…, 0.333…, 0.266…
        var matrix = Matrix(3, [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]);
        AssertNear([2.0 / 9, 1.0 / 3, 4.0 / 15], [matrix.MacroPrecision, matrix.MacroRecall, matrix.MacroF1]);
    }

    [Fact]
    public void Nothing_over_nothing_is_0()
    {
        var empty = new ConfusionMatrix(3);
        AssertNear([0, 0, 0, 0], [empty.Accuracy, empty.MacroPrecision, empty.MacroRecall, empty.MacroF1]);

        // Class 1 occurs and is never predicted; class 2 is predicted and never occurs; class 3 is nowhere.
        var matrix = Matrix(4, [0, 0, 1, 1], [0, 0, 0, 2]);
        AssertNear([2.0 / 3, 0, 0, 0], Enumerable.Range(0, 4).Select(matrix.Precision));
        AssertNear([1, 0, 0, 0], Enumerable.Range(0, 4).Select(matrix.Recall));

        // F1 of class 0 is 2·2 / (2 + 3) = 0.8. The means are over three classes, without class 3.
        AssertNear([2.0 / 9, 1.0 / 3, 0.8 / 3], [matrix.MacroPrecision, matrix.MacroRecall, matrix.MacroF1]);
    }

    [Fact]
    public void Sums_of_the_matrix_are_the_rows_and_parts_add_up() => Property.For(
        Rows,
        static rows =>
        {
            var (labels, predicted) = (rows.Select(static row => row.Item1).ToArray(), rows.Select(static row => row.Item2).ToArray());
            var whole = Matrix(4, labels, predicted);
            var cut = rows.Length / 3;
            var parts = Matrix(4, labels[..cut], predicted[..cut]);
            parts.Add(Matrix(4, labels[cut..], predicted[cut..]));
            var sum = 0L;
            for (var label = 0; label < 4; label++)
            {
                Assert.Equal(labels.Count(other => other == label), whole.Support(label));
                Assert.Equal(predicted.Count(other => other == label), whole.Predicted(label));
                for (var other = 0; other < 4; other++)
                {
                    Assert.Equal(whole[label, other], parts[label, other]);
                    sum += whole[label, other];
                }
            }

            Assert.Equal(rows.Length, sum);
            Assert.Equal((whole.Rows, whole.Correct, whole.Accuracy, whole.MacroF1), (parts.Rows, parts.Correct, parts.Accuracy, parts.MacroF1));
        });

    [Fact]
    public void Mistakes_are_named()
    {
        var matrix = new ConfusionMatrix(2);
        Assert.Contains("class 2 predicted as 0", Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Add(2, 0)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Add(0, -1));
        Assert.Contains("1 labels and 2 predictions", Assert.Throws<ArgumentException>(() => matrix.Add([0], [0, 1])).Message);
        Assert.Throws<ArgumentException>(() => matrix.Add(new ConfusionMatrix(3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ConfusionMatrix(1));
        Assert.Equal(0, matrix.Rows);
    }

    [Fact]
    public void Log_loss_is_as_computed_by_hand()
    {
        // −(ln 0.9 + ln 0.9 + ln 0.8 + ln 0.65) / 4 = 0.21616187…, as scikit-learn's example gives.
        var loss = new LogLoss();
        foreach (var (right, label) in new[] { (0.9f, 1), (0.9f, 0), (0.8f, 0), (0.65f, 1) })
        {
            loss.Add(label == 1 ? [1 - right, right] : [right, 1 - right], label);
        }

        Assert.Equal(0.21616187468057912, loss.Value, 1e-7);
        Assert.Equal(4, loss.Rows);
    }

    [Fact]
    public void A_probability_of_0_costs_much_but_not_everything()
    {
        var loss = new LogLoss();
        Assert.Equal(0, loss.Value);
        loss.Add([1, 0], 1);
        Assert.Equal(23 * Math.Log(2), loss.Value, 1e-12);
        loss.Add([1, 0], 0);
        Assert.Equal(11.5 * Math.Log(2), loss.Value, 1e-12);
        Assert.Contains("label of row 2 is 2", Assert.Throws<ArgumentException>(() => loss.Add([1, 0], 2)).Message);
        Assert.Contains("probability NaN", Assert.Throws<ArgumentException>(() => loss.Add([float.NaN, 0], 0)).Message);
        Assert.Equal(2, loss.Rows);
    }

    private static Gen<(int, int)[]> Rows => Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3]).Array[0, 60];

    private static ConfusionMatrix Matrix(int classes, int[] labels, int[] predicted)
    {
        var matrix = new ConfusionMatrix(classes);
        matrix.Add(labels, predicted);
        return matrix;
    }

    private static void AssertNear(double[] expected, IEnumerable<double> actual)
    {
        foreach (var (value, other) in expected.Zip(actual.ToArray(), static (value, other) => (value, other)))
        {
            Assert.Equal(value, other, 1e-12);
        }
    }
}
