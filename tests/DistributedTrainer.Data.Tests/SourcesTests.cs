namespace DistributedTrainer.Data.Tests;

public sealed class SourcesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static readonly DataSources All = new("train.csv") { Validation = "valid.csv", Test = "test.csv" };

    private void Write(string train, string valid, string test)
    {
        _folder.Write("train.csv", train);
        _folder.Write("valid.csv", valid);
        _folder.Write("test.csv", test);
    }

    private Dataset Read(DataSources sources)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(sources, _folder.Path, problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private List<string> Problems(DataSources sources)
    {
        var problems = new List<string>();
        Assert.Null(DatasetReader.Read(sources, _folder.Path, problems));
        return problems;
    }

    [Fact]
    public void Each_file_gives_its_own_set()
    {
        Write("x,y\n1,b\n2,a\n3,b\n", "x,y\n4,a\n", "x,y\n5,b\n6,a\n");
        var dataset = Read(All);
        var split = DataSplit.Draw(dataset, 0.4, 0.4, stratify: true, 1);

        Assert.Equal((6, 3, 1, 2), (dataset.Rows, dataset.TrainingRows, dataset.ValidationRows, dataset.TestRows));
        Assert.Equal([0, 1, 2], split.Training);
        Assert.Equal([3], split.Validation);
        Assert.Equal([4, 5], split.Test);
        Assert.Equal([1, 0, 1, 0, 1, 0], dataset.Labels);
        Assert.Equal([1f, 2, 3, 4, 5, 6], Enumerable.Range(0, 6).Select(row => Tables.Row(dataset, row)[0]));
    }

    [Fact]
    public void A_set_without_a_file_is_drawn_from_the_training_file()
    {
        Write("x,y\n1,b\n2,a\n3,b\n4,a\n", "", "x,y\n5,b\n6,a\n");
        var split = DataSplit.Draw(Read(All with { Validation = null }), 0.25, 0.25, stratify: false, 1);

        Assert.Single(split.Validation);
        Assert.Equal([0, 1, 2, 3], split.Training.Concat(split.Validation).Order());
        Assert.Equal([4, 5], split.Test);
    }

    [Fact]
    public void Columns_may_stand_in_another_order()
    {
        Write("a,b,y\n1,2,p\n3,4,q\n", "y,b,a\nq,6,5\n", "b,y,a\n8,p,7\n");
        var dataset = Read(All);

        Assert.Equal([5f, 6], Tables.Row(dataset, 2));
        Assert.Equal([7f, 8], Tables.Row(dataset, 3));
        Assert.Equal([0, 1, 1, 0], dataset.Labels);
    }

    [Fact]
    public void Other_columns_are_refused_and_named()
    {
        Write("a,b,y\n1,2,p\n", "a,c,y\n1,2,p\n", "a,b,y\n1,2,p\n");

        Assert.StartsWith("valid.csv:1: the columns are not those of the training file: this one lacks 'b', has 'c'", Assert.Single(Problems(All)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_that_does_not_occur_in_training_is_refused_with_its_place()
    {
        Write("x,y\n1,b\n2,a\n", "x,y\n4,a\n5,c\n6,c\n", "x,y\n5,d\n");
        var problems = Problems(All);

        Assert.Equal(2, problems.Count);
        Assert.StartsWith("valid.csv:3: column y holds 'c', a class that does not occur in train.csv", problems[0], StringComparison.Ordinal);
        Assert.StartsWith("test.csv:2: column y holds 'd'", problems[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_may_be_missing_from_validation_and_spelt_in_another_way()
    {
        Write("x,y\n1,0\n2,1\n", "x,y\n4,1.0\n", "x,y\n5,1\n");

        Assert.Equal([0, 1, 1, 1], Read(All).Labels);
    }

    [Fact]
    public void The_training_file_decides_whether_the_target_is_a_number()
    {
        Write("x,y\n1,0.5\n2,1\n", "x,y\n4,7\n", "x,y\n5,9\n");
        Assert.Equal([0.5f, 1, 7, 9], Read(All).Values);

        Write("x,y\n1,0.5\n2,1\n", "x,y\n4,many\n", "x,y\n5,9\n");
        Assert.StartsWith("valid.csv:2: column y holds 'many', where a finite number belongs", Assert.Single(Problems(All)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Write("x,y\n1,0.5\n2,1\n", "x,y\n4,7\n", "x,y\n5,9\n");

        Assert.Contains("other.csv: there is no file", Assert.Single(Problems(All with { Test = "other.csv" })));
        Assert.Contains("is a folder", Assert.Single(Problems(All with { Test = "." })));
    }

    [Fact]
    public void Every_file_counts_in_the_checksum()
    {
        Write("x,y\n1,0.5\n2,1\n", "x,y\n4,7\n", "x,y\n5,9\n");
        var first = Read(All).Sha256;
        Write("x,y\n1,0.5\n2,1\n", "x,y\n4,7\n", "x,y\n5,8\n");

        Assert.NotEqual(first, Read(All).Sha256);
        Assert.NotEqual(first, Read(new DataSources("train.csv")).Sha256);
    }

    [Fact]
    public void Preprocessing_looks_at_the_training_file_only()
    {
        Write("x,y\n0,0.5\n10,1\n", "x,y\n20,7\n", "x,y\n-10,9\n");
        var dataset = Read(All);
        var data = new PreparedData(dataset, DataSplit.None(dataset), [new(PreprocessStep.MinMax)]);

        Assert.Equal([2f], Tables.Row(data, data.Validation, 0));
        Assert.Equal([-1f], Tables.Row(data, data.Test, 0));
        Assert.Equal(9f, data.Test.Target(0));
    }
}
