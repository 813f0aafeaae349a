namespace DistributedTrainer.Data.Tests;

public class EmbeddedSetsTests
{
    [Fact]
    public void Every_embedded_set_has_a_name() => Assert.Equal(["digits", "iris", "wine", "breast-cancer", "diabetes"], DatasetReader.EmbeddedNames);

    [Theory]
    [InlineData("digits", "592cc047d0a1cc7fdef9fd724514209dcb45a80aa147dc3ab375e3e1a9a380f4")]
    [InlineData("iris", "91eb642c3adbc7bad8e99c930c11fa3a5cc8a07262c7a753b4e6ecf405f2e05e")]
    [InlineData("wine", "c6b73c240e0facebd8f8186983c4358d572b1677696309b7437cc756b44b72fa")]
    [InlineData("breast-cancer", "518936fa92ca3d8a78c420aee22030c4e519ffcba3be15dd23e83f2fc22e20e5")]
    [InlineData("diabetes", "9193026b7622ff944f0a6855a10107b24caf50dad69787c46e6890e69c27faca")]
    public void The_file_is_the_one_that_was_taken_in(string name, string sha256) => Assert.Equal(sha256, Read(name).Sha256);

    // Sums over all cells, computed from the files by another program in float64.
    [Theory]
    [InlineData("digits", 1797, 64, "digit", 561718)]
    [InlineData("iris", 150, 4, "species", 2078.7)]
    [InlineData("wine", 178, 13, "cultivar", 159975.296)]
    [InlineData("breast-cancer", 569, 30, "diagnosis", 1056474.4596356)]
    [InlineData("diabetes", 442, 10, "progression", 276404.2336)]
    public void Rows_columns_and_values_are_all_there(string name, int rows, int columns, string target, double sum)
    {
        var dataset = Read(name);

        Assert.Equal(name, dataset.Name);
        Assert.Equal(rows, dataset.Rows);
        Assert.Equal(columns, dataset.FeatureCount);
        Assert.Equal(target, dataset.TargetName);
        Assert.DoesNotContain(target, dataset.FeatureNames);
        Assert.Equal(sum, Enumerable.Range(0, rows).Sum(row => Tables.Row(dataset, row).Sum(static value => (double)value)), 1e-6 * sum);
    }

    [Fact]
    public void Digits_are_numbered_by_value()
    {
        var digits = Read("digits");

        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], digits.ClassNames);
        Assert.Equal([178, 182, 177, 183, 181, 182, 181, 179, 174, 180], Counts(digits));
    }

    [Fact]
    public void Digits_are_images_and_nothing_else_is()
    {
        Assert.Equal("1x8x8", Read("digits").InputShape.ToString());
        Assert.Equal("13", Read("wine").InputShape.ToString());
        Assert.Equal("64", DatasetReader.Read("digits", "pixel_0_0", null, "", [])?.InputShape.ToString());
    }

    [Fact]
    public void Texts_are_numbered_by_code_point()
    {
        Assert.Equal(["setosa", "versicolor", "virginica"], Read("iris").ClassNames);
        Assert.Equal([50, 50, 50], Counts(Read("iris")));
        Assert.Equal(["class_0", "class_1", "class_2"], Read("wine").ClassNames);
        Assert.Equal([59, 71, 48], Counts(Read("wine")));
        Assert.Equal(["benign", "malignant"], Read("breast-cancer").ClassNames);
        Assert.Equal([357, 212], Counts(Read("breast-cancer")));
    }

    [Fact]
    public void Diabetes_has_numbers_as_targets()
    {
        var diabetes = Read("diabetes");

        Assert.Equal(DataTask.Regression, diabetes.Task);
        Assert.Equal(442, diabetes.Values.Length);
        Assert.Equal(67243, diabetes.Values.Sum());
        Assert.Empty(diabetes.Labels);
    }

    private static int[] Counts(Dataset dataset) => [.. dataset.Labels.CountBy(static label => label).OrderBy(static pair => pair.Key).Select(static pair => pair.Value)];

    private static Dataset Read(string name)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(name, null, null, "", problems);
        Assert.Empty(problems);
        return dataset!;
    }
}
