namespace DistributedTrainer.Data.Tests;

public class TargetTests
{
    private static string Column(IEnumerable<string> targets) => "x,y\n" + string.Concat(targets.Select(static target => $"1,{target}\n"));

    private static string Column(params string[] targets) => Column((IEnumerable<string>)targets);

    [Fact]
    public void Text_is_a_class() => Assert.Equal(DataTask.Classification, Tables.Read(Column("a", "b", "1")).Task);

    [Fact]
    public void A_few_different_integers_are_classes() => Assert.Equal(DataTask.Classification, Tables.Read(Column("0", "1", "-1", "1")).Task);

    [Fact]
    public void Twenty_integers_are_classes_and_one_more_makes_them_numbers()
    {
        Assert.Equal(DataTask.Classification, Tables.Read(Column(Enumerable.Range(0, 60).Select(static row => $"{row % 20}"))).Task);
        Assert.Equal(DataTask.Regression, Tables.Read(Column(Enumerable.Range(0, 60).Select(static row => $"{row % 21}"))).Task);
    }

    [Fact]
    public void A_fraction_among_the_values_makes_them_numbers()
    {
        var dataset = Tables.Read(Column("1", "2.5", "2"));

        Assert.Equal(DataTask.Regression, dataset.Task);
        Assert.Equal([1f, 2.5f, 2f], dataset.Values);
        Assert.Empty(dataset.ClassNames);
    }

    [Fact]
    public void The_task_that_is_asked_for_wins()
    {
        Assert.Equal([3f, 1f, 3f], Tables.Read(Column("3", "1", "3"), task: DataTask.Regression).Values);
        Assert.Equal(["1.5", "2.5"], Tables.Read(Column("2.5", "1.5"), task: DataTask.Classification).ClassNames);
    }

    [Fact]
    public void Numeric_classes_are_numbered_by_value_and_texts_by_code_point()
    {
        Assert.Equal(["-1", "2", "10"], Tables.Read(Column("10", "2", "-1")).ClassNames);
        Assert.Equal(["10", "2", "B", "a"], Tables.Read(Column("a", "2", "B", "10")).ClassNames);
    }

    [Fact]
    public void The_order_of_the_rows_does_not_change_the_numbers_of_the_classes()
    {
        Assert.Equal([2, 0, 1], Tables.Read(Column("z", "a", "m")).Labels);
        Assert.Equal([1, 2, 0], Tables.Read(Column("m", "z", "a")).Labels);
    }

    [Fact]
    public void Two_spellings_of_a_number_are_one_class()
    {
        var dataset = Tables.Read(Column("1.0", "0", "1", "-0"));

        Assert.Equal(2, dataset.ClassNames.Count);
        Assert.Equal([1, 0, 1, 0], dataset.Labels);
    }

    [Fact]
    public void A_single_class_is_read() => Assert.Equal(["a"], Tables.Read(Column("a", "a")).ClassNames);

    [Fact]
    public void A_missing_class_is_refused() =>
        Assert.StartsWith("data.csv:3: column y is empty; a class belongs there", Assert.Single(Tables.Problems(Column("a", "", "b"))), StringComparison.Ordinal);

    [Fact]
    public void A_missing_number_is_refused_as_a_number() =>
        Assert.StartsWith("data.csv:3: column y holds '', where a finite number belongs", Assert.Single(Tables.Problems(Column("1.5", "", "2.5"))), StringComparison.Ordinal);

    [Fact]
    public void Text_is_refused_where_numbers_are_asked_for() =>
        Assert.StartsWith("data.csv:4: column y holds 'many'", Assert.Single(Tables.Problems(Column("1", "2", "many"), task: DataTask.Regression)), StringComparison.Ordinal);
}
