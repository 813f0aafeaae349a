using CsCheck;

namespace DistributedTrainer.Data.Tests;

public class DataSplitTests
{
    private static readonly Gen<(int[] Labels, double Validation, double Test, bool Stratify, ulong Seed)> Cases =
        from labels in Gen.Int[0, 6].Array[1, 120]
        from parts in Gen.Int[0, 100].Array[3]
        from stratify in Gen.Bool
        from seed in Gen.ULong
        let all = parts.Sum() + 1.0
        select (labels, parts[0] / all, parts[1] / all, stratify, seed);

    [Fact]
    public void A_training_share_keeps_some_of_the_training_rows_and_a_smaller_one_some_of_those() => Property.For(Cases, static c =>
    {
        var dataset = Tables.WithLabels(c.Labels);
        var whole = DataSplit.Draw(dataset, c.Validation, c.Test, c.Stratify, c.Seed);
        if (whole.Training.Length == 0)
        {
            return;
        }

        var half = whole.WithTrainingShare(dataset, 0.5, c.Stratify, c.Seed);
        var tenth = whole.WithTrainingShare(dataset, 0.1, c.Stratify, c.Seed);
        Assert.Equal(Math.Max(1, Math.Round(whole.Training.Length * 0.5, MidpointRounding.AwayFromZero)), half.Training.Length);
        Assert.Equal(half.Training.Order(), half.Training);
        Assert.Subset(whole.Training.ToHashSet(), half.Training.ToHashSet());
        Assert.Subset(half.Training.ToHashSet(), tenth.Training.ToHashSet());
        Assert.Equal((whole.Validation, whole.Test), (half.Validation, half.Test));
        Assert.Equal(whole.Training, whole.WithTrainingShare(dataset, 1, c.Stratify, c.Seed).Training);
        Assert.Throws<ArgumentException>(() => whole.WithTrainingShare(dataset, 0, c.Stratify, c.Seed));
    });

    [Fact]
    public void Every_row_is_in_exactly_one_set_in_file_order() => Property.For(Cases, static c =>
    {
        var split = DataSplit.Draw(Tables.WithLabels(c.Labels), c.Validation, c.Test, c.Stratify, c.Seed);

        Assert.Equal(Enumerable.Range(0, c.Labels.Length), split.Training.Concat(split.Validation).Concat(split.Test).Order());
        Assert.All([split.Training, split.Validation, split.Test], static set => Assert.Equal(set.Order(), set));
        Assert.Equal(Math.Round(c.Labels.Length * c.Validation, MidpointRounding.AwayFromZero), split.Validation.Length);
        Assert.Equal(Math.Round(c.Labels.Length * c.Test, MidpointRounding.AwayFromZero), split.Test.Length);
    });

    [Fact]
    public void Stratified_sets_hold_each_class_within_one_row_of_its_share() => Property.For(Cases, static c =>
    {
        var split = DataSplit.Draw(Tables.WithLabels(c.Labels), c.Validation, c.Test, stratify: true, c.Seed);

        foreach (var set in (int[][])[split.Validation, split.Test])
        {
            foreach (var label in c.Labels.Distinct())
            {
                var share = set.Length * (double)c.Labels.Count(other => other == label) / c.Labels.Length;
                Assert.InRange(set.Count(row => c.Labels[row] == label), share - 1, share + 1);
            }
        }
    });

    [Fact]
    public void Many_rare_classes_do_not_push_a_large_one_from_its_share()
    {
        int[] labels = [.. Enumerable.Repeat(0, 900), .. Enumerable.Range(1, 100)];
        var split = DataSplit.Draw(Tables.WithLabels(labels), 0.1, 0.2, stratify: true, 1);

        Assert.InRange(split.Test.Count(row => labels[row] == 0), 179, 181);
        Assert.InRange(split.Validation.Count(row => labels[row] == 0), 89, 91);
    }

    [Fact]
    public void A_class_of_one_row_stays_in_training()
    {
        int[] labels = [.. Enumerable.Repeat(0, 50), 1, .. Enumerable.Repeat(2, 49)];
        for (var seed = 0ul; seed < 50; seed++)
        {
            Assert.Contains(50, DataSplit.Draw(Tables.WithLabels(labels), 0.2, 0.3, stratify: true, seed).Training);
        }
    }

    [Fact]
    public void The_seed_decides_and_nothing_else()
    {
        var dataset = DatasetReader.Read("digits", null, null, "", [])!;
        var first = DataSplit.Draw(dataset, 0.1, 0.2, stratify: true, 42);
        var second = DataSplit.Draw(DatasetReader.Read("digits", null, null, "", [])!, 0.1, 0.2, stratify: true, 42);
        var other = DataSplit.Draw(dataset, 0.1, 0.2, stratify: true, 43);

        Assert.Equal(first.Training, second.Training);
        Assert.Equal(first.Validation, second.Validation);
        Assert.Equal(first.Test, second.Test);
        Assert.NotEqual(first.Test, other.Test);
        Assert.Equal((1258, 180, 359), (first.Training.Length, first.Validation.Length, first.Test.Length));
    }

    [Fact]
    public void Rows_are_drawn_from_the_whole_file()
    {
        var split = DataSplit.Draw(Tables.WithLabels(new int[1000]), 0.25, 0.25, stratify: false, 7);

        foreach (var set in (int[][])[split.Validation, split.Test])
        {
            // 250 of 1000: 125 expected in each half, standard deviation below 7.
            Assert.InRange(set.Count(static row => row < 500), 90, 160);
        }
    }

    [Fact]
    public void None_leaves_every_row_for_training()
    {
        var split = DataSplit.None(3);

        Assert.Equal([0, 1, 2], split.Training);
        Assert.Empty(split.Validation);
        Assert.Empty(split.Test);
    }

    [Fact]
    public void Shares_of_zero_leave_every_row_for_training() =>
        Assert.Equal(5, DataSplit.Draw(Tables.WithLabels(0, 1, 0, 1, 0), 0, 0, stratify: true, 1).Training.Length);

    [Fact]
    public void Numbers_as_targets_are_not_stratified()
    {
        var dataset = Tables.WithFeatures([.. Enumerable.Range(0, 40).Select(static row => new float[] { row })]);

        Assert.Equal(DataSplit.Draw(dataset, 0.1, 0.2, stratify: false, 3).Test, DataSplit.Draw(dataset, 0.1, 0.2, stratify: true, 3).Test);
    }

    [Theory]
    [InlineData(0.5, 0.5)]
    [InlineData(-0.1, 0.5)]
    [InlineData(0.1, double.NaN)]
    public void Shares_that_leave_nothing_or_make_no_sense_are_refused(double validation, double test) =>
        Assert.Throws<ArgumentException>(() => DataSplit.Draw(Tables.WithLabels(0, 1), validation, test, stratify: false, 1));

    [Fact]
    public void A_class_that_occurs_in_the_test_rows_only_keeps_its_number()
    {
        int[] labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        var dataset = Tables.WithLabels(labels);
        var split = Enumerable.Range(0, 100).Select(seed => DataSplit.Draw(dataset, 0, 0.2, stratify: false, (ulong)seed)).First(split => split.Test.Contains(9));
        var data = new PreparedData(dataset, split, []);

        Assert.Equal([0, 1], Enumerable.Range(0, 2).Select(data.Test.Label));
        Assert.Equal(2, data.Dataset.ClassNames.Count);
    }
}
