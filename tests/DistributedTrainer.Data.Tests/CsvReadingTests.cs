using System.Text;

namespace DistributedTrainer.Data.Tests;

public class CsvReadingTests
{
    [Fact]
    public void A_plain_file_gives_its_columns_rows_and_classes()
    {
        var dataset = Tables.Read("a,b,kind\n1,2.5,red\n-3,1e-2,blue\n");

        Assert.Equal(["a", "b"], dataset.FeatureNames);
        Assert.Equal("kind", dataset.TargetName);
        Assert.Equal(2, dataset.Rows);
        Assert.Equal([1f, 2.5f], Tables.Row(dataset, 0));
        Assert.Equal([-3f, 0.01f], Tables.Row(dataset, 1));
        Assert.Equal(["blue", "red"], dataset.ClassNames);
        Assert.Equal([1, 0], dataset.Labels);
    }

    [Fact]
    public void The_target_may_be_any_column()
    {
        var dataset = Tables.Read("a,kind,b\n1,red,2\n3,blue,4\n", "kind");

        Assert.Equal(["a", "b"], dataset.FeatureNames);
        Assert.Equal([3f, 4f], Tables.Row(dataset, 1));
        Assert.Equal([1, 0], dataset.Labels);
    }

    [Fact]
    public void Quotes_hide_separators_and_line_breaks()
    {
        var dataset = Tables.Read("\"a\",\"the, kind\"\n\"1\",\"red, \"\"dark\"\"\"\n2,\"two\nlines\"\n");

        Assert.Equal("the, kind", dataset.TargetName);
        Assert.Equal(["red, \"dark\"", "two\nlines"], dataset.ClassNames);
    }

    [Theory]
    [InlineData("a,kind\r\n1,red\r\n2,blue\r\n")]
    [InlineData("\ufeffa,kind\n1,red\n2,blue")]
    [InlineData("a;kind\n1;red\n2;blue\n")]
    [InlineData("a\tkind\n1\tred\n2\tblue\n")]
    [InlineData("a , kind\n 1 , red\n2, blue \n")]
    [InlineData("a,kind\n\n1,red\n\n2,blue\n\n")]
    public void Line_ends_byte_order_marks_separators_blanks_and_empty_lines_do_not_matter(string csv)
    {
        var dataset = Tables.Read(csv, "kind");

        Assert.Equal(["a"], dataset.FeatureNames);
        Assert.Equal([1f], Tables.Row(dataset, 0));
        Assert.Equal([2f], Tables.Row(dataset, 1));
        Assert.Equal(["blue", "red"], dataset.ClassNames);
        Assert.Equal([1, 0], dataset.Labels);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\ufeff")]
    [InlineData("\n")]
    public void An_empty_file_is_refused(string csv) => Assert.Contains("data.csv: the file is empty", Assert.Single(Tables.Problems(csv)));

    [Fact]
    public void A_header_without_rows_is_refused() =>
        Assert.Contains("a header line but no row", Assert.Single(Tables.Problems("a,b\n")));

    [Fact]
    public void A_single_column_is_refused() =>
        Assert.Contains("only the column 'a'", Assert.Single(Tables.Problems("a\n1\n2\n")));

    [Fact]
    public void A_single_row_is_read() => Assert.Equal(1, Tables.Read("a,b\n1,x").Rows);

    [Fact]
    public void Lines_with_too_few_or_too_many_fields_are_all_named() =>
        Assert.Equal(
            ["data.csv:3: the line has 1 fields, the header 2.", "data.csv:5: the line has 3 fields, the header 2."],
            Tables.Problems("a,b\n1,x\n2\n3,x\n4,x,y\n").Select(static problem => problem[..(problem.IndexOf("header 2.", StringComparison.Ordinal) + 9)]));

    [Fact]
    public void A_target_that_does_not_exist_is_named_with_those_that_do() =>
        Assert.Contains("data.target names the column 'c', which does not exist. The columns are a, b.", Assert.Single(Tables.Problems("a,b\n1,2\n", "c")));

    [Fact]
    public void Text_where_a_number_belongs_is_named_with_file_line_and_column()
    {
        var problems = Tables.Problems("a,b,kind\n1,2,x\n1,two,x\n,2,y\n");

        Assert.Equal(2, problems.Count);
        Assert.Equal("data.csv:3: column b holds 'two', where a finite number belongs. Correct the value, or remove the column; where it holds categories, write data.preprocess: [ one-hot: [ b ] ].", problems[0]);
        Assert.StartsWith("data.csv:4: column a holds '', where a finite number belongs.", problems[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_are_counted_as_an_editor_counts_them()
    {
        var problems = Tables.Problems("\"a\",\"kind\nof thing\"\n\n1,\"x\ny\"\nbad,x\n");

        Assert.StartsWith("data.csv:6: column a holds 'bad'", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("-inf")]
    [InlineData("1e39")]
    public void Numbers_that_are_not_finite_are_refused(string text) =>
        Assert.Contains($"column a holds '{text}', where a finite number belongs", Assert.Single(Tables.Problems($"a,b\n{text},x\n1,y\n")));

    [Fact]
    public void The_largest_numbers_and_the_smallest_are_read_exactly()
    {
        var dataset = Tables.Read("a,b,c\n3.4028235e38,1.4e-45,x\n-3.4028235e38,1e-300,y\n");

        Assert.Equal([float.MaxValue, float.Epsilon], Tables.Row(dataset, 0));
        Assert.Equal([float.MinValue, 0f], Tables.Row(dataset, 1));
    }

    [Fact]
    public void A_decimal_comma_is_hinted_at() =>
        Assert.Contains("(write a decimal point, not a comma)", Assert.Single(Tables.Problems("a;b\n1,5;x\n2;y\n")));

    [Fact]
    public void A_comma_is_no_thousands_separator() =>
        Assert.Contains("column a holds '1,000'", Assert.Single(Tables.Problems("a,b\n\"1,000\",x\n2,y\n")));

    [Fact]
    public void Two_columns_of_the_same_name_are_refused() =>
        Assert.Contains("the columns 1 and 3 have the same name 'a'", Assert.Single(Tables.Problems("a,b,a\n1,2,3\n")));

    [Fact]
    public void A_missing_file_is_named_with_its_full_path()
    {
        using var folder = new TemporaryFolder();
        var problems = new List<string>();

        Assert.Null(DatasetReader.Read("none.csv", null, null, folder.Path, problems));
        Assert.Contains($"there is no file {Path.Combine(folder.Path, "none.csv")}", Assert.Single(problems));
    }

    [Fact]
    public void Text_that_is_not_utf_8_is_refused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("data.csv", Encoding.Latin1.GetBytes("a,kind\n1,grün\n2,rot\n"));
        var problems = new List<string>();

        Assert.Null(DatasetReader.Read("data.csv", null, null, folder.Path, problems));
        Assert.Contains("not UTF-8", Assert.Single(problems));
    }

    [Fact]
    public void Problems_are_gathered_up_to_a_limit()
    {
        var rows = string.Join('\n', Enumerable.Range(0, 50).Select(static row => row % 2 == 0 ? "x,y,z,kind" : "1,2"));
        var problems = Tables.Problems($"a,b,c,d\n{rows}\n");

        Assert.Equal(10, problems.Count);
        Assert.Contains("column a", problems[0]);
        Assert.Contains("column c", problems[2]);
        Assert.Contains(problems, static problem => problem.Contains("the line has 2 fields", StringComparison.Ordinal));
    }

    [Fact]
    public void Problems_that_were_there_before_do_not_count()
    {
        using var folder = new TemporaryFolder();
        folder.Write("data.csv", "a,b\n1,x\n2,y\n");
        var problems = Enumerable.Repeat("an older problem", 30).ToList();

        Assert.NotNull(DatasetReader.Read("data.csv", null, null, folder.Path, problems));
        Assert.Equal(30, problems.Count);
    }

    [Fact]
    public void Rows_of_many_columns_are_read()
    {
        var names = string.Join(',', Enumerable.Range(0, 20_000).Select(static column => $"column{column}"));
        var values = string.Join(',', Enumerable.Range(0, 20_000).Select(static column => $"{column}.5"));
        var dataset = Tables.Read($"{names},kind\n{values},x\n");

        Assert.Equal(20_000, dataset.FeatureCount);
        Assert.Equal(19_999.5f, Tables.Row(dataset, 0)[^1]);
    }

    [Fact]
    public void A_quote_that_never_ends_is_refused() => Assert.NotEmpty(Tables.Problems("a,b\n1,\"x\n2,y\n3,z\n"));

    [Fact]
    public void The_same_file_has_the_same_checksum_and_another_file_another()
    {
        Assert.Equal(Tables.Read("a,b\n1,x\n").Sha256, Tables.Read("a,b\n1,x\n").Sha256);
        Assert.NotEqual(Tables.Read("a,b\n1,x\n").Sha256, Tables.Read("a,b\n1,x\n\n").Sha256);
    }
}
