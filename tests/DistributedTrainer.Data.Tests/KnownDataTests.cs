namespace DistributedTrainer.Data.Tests;

/// <summary>Data for a model that is trained already.</summary>
public sealed class KnownDataTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("known-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Columns_may_stand_in_any_order_and_others_do_not_matter()
    {
        var dataset = Good("id,kind,b,a\nfirst,y,2,1\nsecond,x,4,3\n", "kind");

        Assert.Equal(["a", "b"], dataset.FeatureNames);
        Assert.Equal([1f, 2f], Tables.Row(dataset, 0));
        Assert.Equal([3f, 4f], Tables.Row(dataset, 1));
        Assert.Equal([1, 0], dataset.Labels);
    }

    [Fact]
    public void Without_need_of_a_target_it_may_be_missing_or_hold_anything()
    {
        Assert.Equal(2, Good("a,b\n1,2\n3,4\n", null).Rows);
        Assert.Equal(1, Good("a,b,kind\n1,2,never seen\n", null).Rows);
    }

    [Theory]
    [InlineData("a,kind\n1,x\n", "data.csv:1: the columns are not those that the model was trained on: this file lacks 'b'. Give it the same columns, in any order.")]
    [InlineData("a,b\n1,2\n", "data.csv:1: the columns are not those that the model was trained on: this file lacks 'kind'. Give it the same columns, in any order.")]
    [InlineData("a,b,kind\n1,2,z\n", "data.csv:2: column kind holds 'z', which the model does not know. Its classes are x, y.")]
    [InlineData("a,b,kind\n1,,x\n", "data.csv:2: column b holds '', where a finite number belongs. Correct the value, or remove the column.")]
    [InlineData("a,b,kind\n", "data.csv: there is a header line but no row under it. Add rows.")]
    public void What_does_not_fit_is_named(string csv, string expected)
    {
        var problems = new List<string>();
        Assert.Null(Read(csv, "kind", ["x", "y"], problems));
        Assert.Equal([expected], problems);
    }

    [Fact]
    public void All_columns_that_are_missing_are_named_at_once()
    {
        var problems = new List<string>();
        Assert.Null(Read("c\n1\n", "kind", ["x", "y"], problems));
        Assert.Contains("lacks 'a', lacks 'b', lacks 'kind'", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Classes_that_are_numbers_are_compared_as_numbers()
    {
        var problems = new List<string>();
        var dataset = Read("a,b,kind\n1,2,10\n1,2,2.0\n", "kind", ["2", "10"], problems);
        Assert.Empty(problems);
        Assert.Equal([1, 0], dataset!.Labels);
    }

    [Fact]
    public void Numbers_as_targets_are_read_as_numbers()
    {
        var problems = new List<string>();
        Assert.Equal([0.5f, 7f], Read("kind,a,b\n0.5,1,2\n7,1,2\n", "kind", [], problems)!.Values);
        Assert.Empty(problems);
    }

    [Fact]
    public void Rows_are_prepared_as_those_of_the_training_were()
    {
        var dataset = Good("b,a\n20,1\n40,3\n", null);
        var fitted = Tables.WithFeatures([1, 10], [3, 30]) with { FeatureNames = ["a", "b"] };
        var preprocessor = Preprocessor.Fit(fitted, [0, 1], [new PreprocessingStep(PreprocessStep.MinMax)]);
        var subset = KnownData.Prepare(dataset, [1], preprocessor);
        var row = new float[2];
        subset.CopyRow(0, row);
        Assert.Equal([1f, 1.5f], row);
    }

    [Fact]
    public void A_summary_counts_gaps_numbers_and_classes()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "data.csv"), "a,kind\n1,x\n,y\n-3.5,x\nlow,x\n?,x\n1,2,3\n");
        var problems = new List<string>();
        var summary = TableSummary.Read("data.csv", _folder.FullName, problems)!;

        Assert.Empty(problems);
        Assert.Equal((6, 1), (summary.Rows, summary.Ragged));
        var (a, kind) = (summary.Columns[0], summary.Columns[1]);
        Assert.Equal((2, 2, 1, -3.5, 1, -1.25), (a.Missing, a.Numbers, a.Texts, a.Minimum, a.Maximum, a.Mean));
        Assert.Equal([KeyValuePair.Create("x", 4L), KeyValuePair.Create("y", 1L)], kind.Values);
    }

    [Fact]
    public void A_summary_does_not_list_what_is_no_class()
    {
        File.WriteAllLines(Path.Combine(_folder.FullName, "data.csv"), Enumerable.Range(0, 101).Select(static i => $"{i}").Prepend("a"));
        Assert.Null(TableSummary.Read("data.csv", _folder.FullName, [])!.Columns[0].Values);
    }

    private Dataset Good(string csv, string? target)
    {
        var problems = new List<string>();
        var dataset = Read(csv, target, ["x", "y"], problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private Dataset? Read(string csv, string? target, string[] classes, List<string> problems)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "data.csv"), csv);
        var fitted = Tables.WithFeatures([1, 10], [3, 30]) with { FeatureNames = ["a", "b"] };
        return KnownData.Read("data.csv", Preprocessor.Fit(fitted, [0, 1], []), target, classes, _folder.FullName, problems);
    }
}
