using CsCheck;

namespace DistributedTrainer.Data.Tests;

public class FoldsTests
{
    private static readonly Gen<(int[] Labels, int Folds, bool Stratify, ulong Seed, double Test)> Cases =
        from labels in Gen.Int[0, 4].Array[8, 100]
        from folds in Gen.Int[2, 6]
        from stratify in Gen.Bool
        from seed in Gen.ULong
        from test in Gen.Int[0, 25]
        select (labels, folds, stratify, seed, test / 100.0);

    [Fact]
    public void Every_row_is_in_exactly_one_validation_fold_and_trains_in_the_others() => Property.For(Cases, static c =>
    {
        var splits = DataSplit.Folds(Tables.WithLabels(c.Labels), c.Folds, c.Stratify, c.Seed, c.Test);

        Assert.Equal(c.Folds, splits.Length);
        var pool = Enumerable.Range(0, c.Labels.Length).Except(splits[0].Test).ToArray();
        Assert.Equal(pool, splits.SelectMany(static split => split.Validation).Order());
        Assert.All(splits, split =>
        {
            Assert.Equal(splits[0].Test, split.Test);
            Assert.Equal(pool, split.Training.Concat(split.Validation).Order());
            Assert.Equal(split.Training.Order(), split.Training);
            Assert.Equal(split.Validation.Order(), split.Validation);
        });
        Assert.InRange(splits.Max(static split => split.Validation.Length) - splits.Min(static split => split.Validation.Length), 0, 1);
    });

    [Fact]
    public void Stratified_folds_differ_by_one_row_of_a_class_at_most() => Property.For(Cases, static c =>
    {
        var splits = DataSplit.Folds(Tables.WithLabels(c.Labels), c.Folds, stratify: true, c.Seed, c.Test);

        foreach (var label in c.Labels.Distinct())
        {
            var counts = splits.Select(split => split.Validation.Count(row => c.Labels[row] == label)).ToArray();
            Assert.InRange(counts.Max() - counts.Min(), 0, 1);
        }
    });

    [Fact]
    public void Test_rows_are_those_of_a_plain_split() => Property.For(Cases, static c =>
    {
        var dataset = Tables.WithLabels(c.Labels);

        Assert.Equal(DataSplit.Draw(dataset, 0.1, c.Test, c.Stratify, c.Seed).Test, DataSplit.Folds(dataset, 2, c.Stratify, c.Seed, c.Test)[0].Test);
    });

    [Fact]
    public void The_seed_decides()
    {
        var dataset = Tables.WithLabels(new int[40]);

        Assert.Equal(DataSplit.Folds(dataset, 4, true, 1)[2].Validation, DataSplit.Folds(dataset, 4, true, 1)[2].Validation);
        Assert.NotEqual(DataSplit.Folds(dataset, 4, true, 1)[2].Validation, DataSplit.Folds(dataset, 4, true, 2)[2].Validation);
    }

    [Fact]
    public void Rows_of_a_test_source_are_in_no_fold()
    {
        var dataset = Tables.WithLabels(0, 1, 0, 1, 0, 1) with { TestRows = 2 };
        var splits = DataSplit.Folds(dataset, 2, stratify: true, 1, test: 0.5);

        Assert.All(splits, static split => Assert.Equal([4, 5], split.Test));
        Assert.Equal([0, 1, 2, 3], splits.SelectMany(static split => split.Validation).Order());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public void Too_few_or_too_many_folds_are_refused(int folds) =>
        Assert.Contains($"{folds} folds of 6 rows", Assert.Throws<ArgumentException>(() => DataSplit.Folds(Tables.WithLabels(0, 1, 0, 1, 0, 1), folds, true, 1)).Message);

    [Fact]
    public void Folds_beside_a_validation_source_are_refused() =>
        Assert.Throws<ArgumentException>(() => DataSplit.Folds(Tables.WithLabels(0, 1, 0, 1) with { ValidationRows = 1 }, 2, true, 1));
}
