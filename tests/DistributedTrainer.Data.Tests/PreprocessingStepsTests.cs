namespace DistributedTrainer.Data.Tests;

public sealed class PreprocessingStepsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static PreprocessingStep Polynomial(int degree) => new(PreprocessStep.Polynomial) { Degree = degree };

    private static PreprocessingStep OneHot(params string[] columns) => new(PreprocessStep.OneHot) { Columns = columns };

    private Dataset Read(string csv, params string[] textColumns)
    {
        _folder.Write("data.csv", csv);
        var problems = new List<string>();
        var dataset = DatasetReader.Read(new DataSources("data.csv") { TextColumns = textColumns }, _folder.Path, problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private Dataset Colours() => Read("size,colour,kind\n2,red,a\n3,blue,b\n5,red,a\n7,green,b\n11,,b\n", "colour");

    private static float[][] All(Preprocessor preprocessor, Dataset dataset) =>
        [.. Enumerable.Range(0, dataset.Rows).Select(row => Tables.Apply(preprocessor, dataset, row))];

    [Fact]
    public void Polynomial_puts_the_powers_of_each_column_side_by_side()
    {
        var dataset = Tables.WithFeatures([2, -3], [0.5f, 10]);
        var preprocessor = Preprocessor.Fit(dataset, [0], [Polynomial(3)]);

        Assert.Equal(["x0", "x0^2", "x0^3", "x1", "x1^2", "x1^3"], preprocessor.OutputNames);
        Assert.Equal([[2f, 4, 8, -3, 9, -27], [0.5f, 0.25f, 0.125f, 10, 100, 1000]], All(preprocessor, dataset));
        Assert.Equal("6", preprocessor.OutputShape.ToString());
        Assert.Equal([[2f, -3], [0.5f, 10]], All(Preprocessor.Fit(dataset, [0], [Polynomial(1)]), dataset));
    }

    [Fact]
    public void Powers_are_rounded_once()
    {
        var dataset = Tables.WithFeatures([1.1f]);
        var x = (double)1.1f;

        Assert.Equal([1.1f, (float)(x * x), (float)(x * x * x), (float)(x * x * x * x)], All(Preprocessor.Fit(dataset, [0], [Polynomial(4)]), dataset)[0]);
    }

    [Fact]
    public void One_hot_replaces_a_text_column_by_its_categories_where_it_stood()
    {
        var dataset = Colours();
        var preprocessor = Preprocessor.Fit(dataset, [0, 1, 2], [OneHot("colour")]);

        Assert.Equal(["size", "colour=blue", "colour=red"], preprocessor.OutputNames);
        Assert.Equal([[2f, 0, 1], [3, 1, 0], [5, 0, 1], [7, 0, 0], [11, 0, 0]], All(preprocessor, dataset));
    }

    [Fact]
    public void Categories_are_ordered_by_value_where_all_are_numbers()
    {
        var dataset = Read("code,y\n10,a\n9,b\n9.0,a\nten,b\n", "code");
        var preprocessor = Preprocessor.Fit(dataset, [0, 1, 2], [OneHot("code")]);

        Assert.Equal(["code=9", "code=10"], preprocessor.OutputNames);
        Assert.Equal([[0f, 1], [1, 0], [1, 0], [0, 0]], All(preprocessor, dataset));
    }

    [Fact]
    public void Other_steps_leave_text_alone_until_it_is_encoded()
    {
        var dataset = Colours();
        var before = Preprocessor.Fit(dataset, [0, 1, 2], [new(PreprocessStep.MinMax), Polynomial(2), OneHot("colour")]);
        var after = Preprocessor.Fit(dataset, [0, 1, 2], [OneHot("colour"), new(PreprocessStep.Center)]);

        Assert.Equal(["size", "size^2", "colour=blue", "colour=red"], before.OutputNames);
        Assert.Equal([1f, 1, 0, 1], Tables.Apply(before, dataset, 2));
        Assert.Equal([(float)(2 - (10 / 3.0)), (float)-(1 / 3.0), (float)(1 - (2 / 3.0))], Tables.Apply(after, dataset, 0));
    }

    [Fact]
    public void The_order_of_the_steps_is_as_written()
    {
        var dataset = Tables.WithFeatures([1], [3]);

        Assert.Equal([[-1f, 1], [1, 1]], All(Preprocessor.Fit(dataset, [0, 1], [new(PreprocessStep.Standardize), Polynomial(2)]), dataset));
        Assert.Equal([[-1f, -1], [1, 1]], All(Preprocessor.Fit(dataset, [0, 1], [Polynomial(2), new(PreprocessStep.Standardize)]), dataset));
    }

    [Fact]
    public void Constant_columns_are_named_as_they_are_at_that_step() =>
        Assert.Equal(["x0^2"], Preprocessor.Fit(Tables.WithFeatures([-1], [1]), [0, 1], [Polynomial(2), new(PreprocessStep.Standardize)]).ConstantColumns);

    [Fact]
    public void Every_preprocessor_reads_back_to_the_same_bits()
    {
        var dataset = Colours();
        var (wine, digits) = (DatasetReader.Read("wine", null, null, "", [])!, DatasetReader.Read("digits", null, null, "", [])!.WithShape(1, 8, 8));
        foreach (var (data, steps) in (IEnumerable<(Dataset, PreprocessingStep[])>)[
            (dataset, [new(PreprocessStep.Standardize), Polynomial(3), OneHot("colour"), new(PreprocessStep.Scale) { Factor = 0.1 }]),
            (wine, [new(PreprocessStep.Center), new(PreprocessStep.MinMax), new(PreprocessStep.Standardize)]),
            (digits, [new(PreprocessStep.Standardize)]),
            (wine, [])])
        {
            var first = Preprocessor.Fit(data, [0, 1, 2, 4], steps);
            var second = Preprocessor.FromJson(first.ToJson());

            Assert.Equal(first.ToJson(), second.ToJson());
            Assert.Equal(first.OutputNames, second.OutputNames);
            Assert.Equal(first.InputNames, second.InputNames);
            Assert.Equal(first.TextColumns, second.TextColumns);
            Assert.Equal(first.ConstantColumns, second.ConstantColumns);
            Assert.Equal(first.InputShape, second.InputShape);
            Assert.Equal(first.OutputShape, second.OutputShape);
            Assert.Equal(All(first, data), All(second, data));
        }
    }

    [Fact]
    public void A_preprocessor_serves_another_file_whose_texts_come_in_another_order()
    {
        var preprocessor = Preprocessor.FromJson(Preprocessor.Fit(Colours(), [0, 1, 2, 3], [OneHot("colour")]).ToJson());
        var other = Read("size,colour,kind\n1,mauve,a\n2,blue,a\n3,red,b\n", "colour");

        Assert.Equal([[1f, 0, 0, 0], [2, 1, 0, 0], [3, 0, 0, 1]], All(preprocessor, other));
    }

    [Fact]
    public void Data_with_other_columns_is_refused()
    {
        var preprocessor = Preprocessor.Fit(Colours(), [0, 1], [OneHot("colour")]);

        Assert.Contains("colour missing", Assert.Throws<InvalidDataException>(() => preprocessor.For(Read("size,shape,kind\n1,2,a\n"))).Message);
        Assert.Contains("'colour' must be read as text", Assert.Throws<InvalidDataException>(() => preprocessor.For(Read("size,colour,kind\n1,2,a\n"))).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[2],"constant":[],"steps":[]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[null]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[{"kind":"affine","offset":[1,2],"factor":[1,2]}]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[{"kind":"affine"}]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[{"kind":"polynomial","degree":0}]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[{"kind":"one-hot","categories":{"a":["p"]}}]}""")]
    [InlineData("""{"columns":["a"],"text":[],"shape":[1],"constant":[],"steps":[{"kind":"magic"}]}""")]
    public void Stored_steps_that_are_damaged_are_refused(string json) => Assert.Throws<InvalidDataException>(() => Preprocessor.FromJson(json));

    [Fact]
    public void Steps_that_do_not_fit_the_data_are_refused_with_a_remedy()
    {
        var dataset = Colours();

        Assert.Contains("Add one-hot: [colour]", Problem(dataset));
        Assert.Contains("one-hot names 'size', which is no text column", Problem(dataset, OneHot("size")));
        Assert.Contains("one-hot names 'colour', which is no text column (any more)", Problem(dataset, OneHot("colour"), OneHot("colour")));
        Assert.Contains("polynomial of degree 0", Problem(dataset, Polynomial(0)));
        Assert.Contains("a value of column x0^8 becomes larger", Problem(Tables.WithFeatures([1e5f], [1]), Polynomial(9)));
        Assert.Contains("a value of column x0^8 becomes larger", Problem(Tables.WithFeatures([1e5f], [1]), Polynomial(9), new(PreprocessStep.Standardize)));

        static string Problem(Dataset dataset, params PreprocessingStep[] steps)
        {
            var problems = new List<string>();
            Assert.Null(PreparedData.Create(dataset, DataSplit.None(dataset), steps, problems));
            return Assert.Single(problems);
        }
    }

    [Fact]
    public void A_text_column_that_does_not_exist_or_is_the_target_is_refused()
    {
        _folder.Write("data.csv", "size,kind\n1,a\n");
        var problems = new List<string>();

        Assert.Null(DatasetReader.Read(new DataSources("data.csv") { TextColumns = ["colour", "kind"] }, _folder.Path, problems));
        Assert.Contains("one-hot names the column 'colour', which does not exist", problems[0]);
        Assert.Contains("one-hot names the column 'kind', which is the target", problems[1]);
    }

    [Fact]
    public void Prepared_data_lets_go_of_the_features_as_read()
    {
        var dataset = Tables.WithFeatures([1], [3]);
        var data = new PreparedData(dataset, DataSplit.None(dataset), [new(PreprocessStep.Center)]);

        Assert.Equal(0, data.Dataset.Features.Rows);
        Assert.Equal(2, data.Dataset.Rows);
        Assert.Equal([1f], Tables.Row(data, data.Training, 1));
        Assert.Equal(2, dataset.Features.Rows);
    }
}
