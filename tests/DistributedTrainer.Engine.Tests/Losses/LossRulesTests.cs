using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Engine.Tests.Losses;

public class LossRulesTests
{
    [Fact]
    public void Zero_one_cannot_be_trained_with() =>
        Assert.Contains("zero-one is a metric", Assert.Throws<ArgumentException>(static () => TrainingLoss.Create("zero-one")).Message, StringComparison.Ordinal);

    [Fact]
    public void An_unknown_loss_is_refused_with_the_choice() =>
        Assert.Contains("huber", Assert.Throws<ArgumentException>(static () => TrainingLoss.Create("hubert")).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_loss_is_created_under_its_own_name() =>
        Assert.All(TrainingLoss.Names, static name => Assert.Equal(name, TrainingLoss.Create(name).Name));

    [Theory]
    [InlineData("hinge", 2, 1)]
    [InlineData("hinge", 3, null)]
    [InlineData("cross-entropy", 2, 2)]
    [InlineData("cross-entropy", 1, null)]
    [InlineData("multiclass-hinge", 7, 7)]
    [InlineData("mean-squared-error", 1, 1)]
    [InlineData("huber", 4, 4)]
    public void Outputs_follow_from_the_classes(string name, int targets, int? outputs) => Assert.Equal(outputs, TrainingLoss.Create(name).OutputsFor(targets));

    [Theory]
    [InlineData("cross-entropy", 3)]
    [InlineData("multiclass-hinge", 3)]
    [InlineData("logistic", 1)]
    public void A_class_that_weighs_more_has_its_loss_and_gradient_multiplied(string name, int outputs)
    {
        float[] weights = outputs == 1 ? [0.5f, 4] : [0.5f, 4, 1];
        float[] z = [.. Enumerable.Range(0, 4 * outputs).Select(static i => (i * 7 % 5 / 3f) - 0.5f)];
        int[] labels = [1, 0, outputs == 1 ? 1 : 2, 0];
        var (plain, weighted) = (TrainingLoss.Create(name), TrainingLoss.Create(name));
        weighted.ClassWeights = weights;
        var (dz, losses, heavyDz, heavyLosses) = (new float[z.Length], new float[4], new float[z.Length], new float[4]);
        plain.Compute(z, labels, [], dz, losses);
        weighted.Compute(z, labels, [], heavyDz, heavyLosses);

        Assert.Equal(losses.Select((loss, row) => loss * weights[labels[row]]), heavyLosses);
        Assert.Equal(dz.Select((gradient, i) => gradient * weights[labels[i / outputs]]), heavyDz);
    }

    [Fact]
    public void A_positive_score_speaks_for_class_1_and_the_highest_of_several_wins()
    {
        Assert.Equal(1, new LogisticLoss().Predict([0.1f]));
        Assert.Equal(0, new LogisticLoss().Predict([-0.1f]));
        Assert.Equal(2, new CrossEntropyLoss().Predict([1, -2, 3, 3]));
        Assert.Throws<InvalidOperationException>(static () => new HuberLoss().Predict([1]));
    }

    [Fact]
    public void Zero_one_counts_mistakes_and_undecided_rows()
    {
        Assert.Equal(3, ZeroOne.Mistakes([2, -2, 2, 0, float.NaN], [1, 0, 0, 0, 1]));
        Assert.Equal(1, ZeroOne.Mistakes([1, 2, 3, 5, 4, 3], [2, 1]));
    }

    [Fact]
    public void A_label_that_is_no_class_is_refused()
    {
        var three = Assert.Throws<ArgumentException>(static () => LossRun.Run(new HingeLoss(), [1, 2], [0, 2], [], 2));
        Assert.Contains("the label of row 1 is 2", three.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(static () => LossRun.Run(new CrossEntropyLoss(), [1, 2], [-1], [], 1));
        Assert.Throws<ArgumentException>(static () => LossRun.Run(new MulticlassHingeLoss(), [1, 2], [2], [], 1));
    }

    [Fact]
    public void Outputs_that_do_not_suit_the_loss_are_refused()
    {
        var two = Assert.Throws<ArgumentException>(static () => LossRun.Run(new HingeLoss(), [1, 2], [1], [], 1));
        Assert.Contains("the model has 2 outputs, it needs 1", two.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(static () => LossRun.Run(new MeanSquaredErrorLoss(), [1, 2], [], [1], 1));
        Assert.Throws<ArgumentException>(static () => LossRun.Run(new CrossEntropyLoss(), [1, 2, 3], [1, 0], [], 2));
    }

    [Theory]
    [InlineData(-0.1f)]
    [InlineData(1)]
    [InlineData(float.NaN)]
    public void Label_smoothing_outside_its_range_is_refused(float value) => Assert.Throws<ArgumentOutOfRangeException>(() => new CrossEntropyLoss(value));

    [Theory]
    [InlineData(0)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_delta_outside_its_range_is_refused(float value) => Assert.Throws<ArgumentOutOfRangeException>(() => new HuberLoss(value));
}
