using Parquet;
using Parquet.Schema;

namespace DistributedTrainer.Data.Tests;

/// <summary>Separators, quotes, gaps, Parquet, and tables too large for memory.</summary>
[Collection("the cache's folder")]
public sealed class TableFormatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _cache = Environment.GetEnvironmentVariable("DTRAIN_CACHE");

    public TableFormatTests() => Environment.SetEnvironmentVariable("DTRAIN_CACHE", Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()));

    public void Dispose()
    {
        if (Directory.Exists(DataCache.Folder))
        {
            Directory.Delete(DataCache.Folder, recursive: true);
        }

        Environment.SetEnvironmentVariable("DTRAIN_CACHE", _cache);
        _folder.Dispose();
    }

    private Dataset Good(DataSources sources)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(sources, _folder.Path, problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private string Problem(DataSources sources)
    {
        var problems = new List<string>();
        Assert.Null(DatasetReader.Read(sources, _folder.Path, problems));
        return Assert.Single(problems);
    }

    private Dataset Csv(string text, TableFormat? format = null, params string[] textColumns)
    {
        _folder.Write("data.csv", text);
        return Good(new DataSources("data.csv") { Format = format ?? new TableFormat(), TextColumns = textColumns });
    }

    private static DataSources Dropping(string source, MissingValues missing) => new(source) { Format = new TableFormat { Missing = missing } };

    [Fact]
    public void Separators_are_found_or_named_and_quotes_may_be_others()
    {
        foreach (var separator in ",;\t|")
        {
            Assert.Equal([1.5f, 2], Tables.Row(Csv($"a{separator}b{separator}kind\n1.5{separator}2{separator}x\n"), 0));
        }

        Assert.Equal([1.5f, 2], Tables.Row(Csv("a!b!kind\n1.5!2!x\n", new TableFormat { Separator = '!' }), 0));
        Assert.Equal(["x,y", "z"], Csv("a,kind\n1,'x,y'\n2,z\n", new TableFormat { Quote = '\'' }).ClassNames);
    }

    [Theory]
    [InlineData("")]
    [InlineData("NA")]
    [InlineData("n/a")]
    [InlineData(" nan ")]
    [InlineData("NULL")]
    [InlineData("?")]
    public void A_gap_is_an_error_or_leaves_its_row_out_or_becomes_the_mean_of_the_training_rows(string gap)
    {
        var text = $"a,b,kind\n1,10,x\n{gap},20,y\n3,30,x\n8,40,y\n";
        _folder.Write("data.csv", text);
        Assert.Equal($"data.csv:3: column a holds '{gap}', where a finite number belongs. Fill it in, or write data.missing: mean, or drop.", Problem(new DataSources("data.csv")));

        var dropped = Good(Dropping("data.csv", MissingValues.Drop));
        Assert.Equal([1f, 3, 8], Enumerable.Range(0, 3).Select(row => Tables.Row(dropped, row)[0]));
        Assert.Equal([0, 0, 1], dropped.Labels);

        var filled = Good(Dropping("data.csv", MissingValues.Mean));
        var preprocessor = Preprocessor.Fit(filled, [0, 1, 2], [new(PreprocessStep.FillMissing), new(PreprocessStep.Center)]);
        Assert.Equal([0, 0], Tables.Apply(preprocessor, filled, 1));
        Assert.Equal([-1, -10], Tables.Apply(preprocessor, filled, 0));
        var again = Preprocessor.FromJson(preprocessor.ToJson());
        Assert.True(again.FillsMissing);
        Assert.Equal(Tables.Apply(preprocessor, filled, 3), Tables.Apply(again, filled, 3));
    }

    [Fact]
    public void A_text_without_a_value_is_no_category_and_a_target_without_one_is_an_error()
    {
        var dataset = Csv("colour,kind\nred,x\nNA,y\n?,x\nblue,y\n", new TableFormat { Missing = MissingValues.Mean }, "colour");
        var preprocessor = Preprocessor.Fit(dataset, [0, 1, 2, 3], [new(PreprocessStep.FillMissing), new(PreprocessStep.OneHot) { Columns = ["colour"] }]);
        Assert.Equal(["colour=blue", "colour=red"], preprocessor.OutputNames);
        Assert.Equal([0, 0], Tables.Apply(preprocessor, dataset, 2));

        _folder.Write("data.csv", "a,kind\n1,x\n2,\n");
        Assert.Contains("data.csv:3: column kind is empty", Problem(Dropping("data.csv", MissingValues.Mean)));
        Assert.Equal(1, Good(Dropping("data.csv", MissingValues.Drop)).Rows);
    }

    [Fact]
    public void Nothing_left_and_nothing_to_take_the_mean_of_are_named()
    {
        _folder.Write("data.csv", "a,b,kind\n1,,x\n2,,y\n");
        Assert.Contains("each of its 2 rows lacks a value", Problem(Dropping("data.csv", MissingValues.Drop)));
        var dataset = Good(Dropping("data.csv", MissingValues.Mean));
        Assert.Contains("the column b has no value in any training row", Assert.Throws<InvalidDataException>(() => Preprocessor.Fit(dataset, [0, 1], [new(PreprocessStep.FillMissing)])).Message);
    }

    [Fact]
    public void A_large_table_is_unpacked_once_and_gives_the_same_bits_from_its_file()
    {
        var rows = Enumerable.Range(0, 200).Select(static i => FormattableString.Invariant($"{i / 7.0},{(i % 9 == 0 ? "" : $"{i * i}")},{(i % 2 == 0 ? "red" : "blue")},{i % 3}"));
        _folder.Write("data.csv", "a,b,colour,kind\n" + string.Join('\n', rows));
        _folder.Write("test.csv", "a,b,colour,kind\n1,2,red,0\n3,4,green,1\n");
        DataSources Sources(long held) => Dropping("data.csv", MissingValues.Mean) with { Test = "test.csv", TextColumns = ["colour"], HeldBytes = held };
        var (held, mapped) = (Good(Sources(long.MaxValue)), Good(Sources(0)));
        var cells = Assert.Single(Directory.GetFiles(DataCache.Folder, "cells", SearchOption.AllDirectories));
        var written = File.GetLastWriteTimeUtc(cells);
        var again = Good(Sources(0));

        Assert.Equal(written, File.GetLastWriteTimeUtc(cells));
        Assert.True(mapped.Features.IsMapped);
        PreprocessingStep[] steps = [new(PreprocessStep.FillMissing), new(PreprocessStep.OneHot) { Columns = ["colour"] }, new(PreprocessStep.Standardize), new(PreprocessStep.Polynomial) { Degree = 2 }];
        var split = DataSplit.Draw(held, 0.2, 0, stratify: true, 1);
        var expected = new PreparedData(held, split, steps);
        foreach (var dataset in (Dataset[])[mapped, again])
        {
            Assert.Equal((held.Sha256, held.TestRows), (dataset.Sha256, dataset.TestRows));
            var actual = new PreparedData(dataset, split, steps);
            foreach (var (x, y) in (ReadOnlySpan<(Subset, Subset)>)[(expected.Training, actual.Training), (expected.Validation, actual.Validation), (expected.Test, actual.Test)])
            {
                for (var row = 0; row < x.Rows; row++)
                {
                    Assert.Equal(Tables.Row(expected, x, row), Tables.Row(actual, y, row));
                    Assert.Equal(x.Label(row), y.Label(row));
                }
            }
        }

        // What would leave float32 is found from the columns' ends, without reading all rows.
        PreprocessingStep[] beyond = [new(PreprocessStep.FillMissing), new(PreprocessStep.OneHot) { Columns = ["colour"] }, new(PreprocessStep.Polynomial) { Degree = 20 }];
        Assert.Contains("larger than a 32-bit number", Assert.Throws<InvalidDataException>(() => new PreparedData(mapped, split, beyond)).Message);
        _folder.Write("data.csv", "a,b,colour,kind\n1,x,red,0\n");
        Assert.Contains("data.csv:2: column b holds 'x'", Problem(Sources(0)));
    }

    [Fact]
    public async Task A_Parquet_file_is_the_table_that_it_holds()
    {
        await WriteParquet("data.parquet");
        _folder.Write("data.csv", "a,n,colour,kind\n0.5,1,red,7\n0.1,,blue,11\n2.25,3,red,7\n");
        DataSources Sources(string file, long held) => Dropping(file, MissingValues.Mean) with { TextColumns = ["colour"], HeldBytes = held };
        var (csv, parquet, mapped) = (Good(Sources("data.csv", long.MaxValue)), Good(Sources("data.parquet", long.MaxValue)), Good(Sources("data.parquet", 0)));
        foreach (var dataset in (Dataset[])[parquet, mapped])
        {
            Assert.Equal(csv.FeatureNames, dataset.FeatureNames);
            Assert.Equal(csv.ClassNames, dataset.ClassNames);
            Assert.Equal(csv.Labels, dataset.Labels);
            Assert.Equal(csv.Texts[2], dataset.Texts[2]);
            for (var row = 0; row < csv.Rows; row++)
            {
                Assert.Equal(Tables.Row(csv, row), Tables.Row(dataset, row));
            }
        }

        Assert.Equal("data.parquet, row 2: column n holds '', where a finite number belongs. Fill it in, or write data.missing: mean, or drop.",
            Problem(new DataSources("data.parquet") { TextColumns = ["colour"] }));
        var summary = TableSummary.Read("data.parquet", _folder.Path, [])!;
        Assert.Equal((3, 1, 2), (summary.Rows, summary.Columns[1].Missing, summary.Columns[1].Numbers));
    }

    [Fact]
    public void What_is_no_Parquet_file_is_refused()
    {
        foreach (var bytes in (byte[][])[[], [1, 2, 3], [.. "PAR1"u8, 0, 0, 0, 0, .. "PAR1"u8]])
        {
            _folder.Write("data.parquet", bytes);
            Assert.StartsWith("data.parquet: this is no Parquet file that can be read: ", Problem(new DataSources("data.parquet")), StringComparison.Ordinal);
        }
    }

    private async Task WriteParquet(string name)
    {
        var fields = (A: new DataField<double>("a"), N: new DataField<int>("n", nullable: true), Colour: new DataField<string>("colour"), Kind: new DataField<long>("kind"));
        await using var file = File.Create(Path.Combine(_folder.Path, name));
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(fields.A, fields.N, fields.Colour, fields.Kind), file);
        using (var group = writer.CreateRowGroup())
        {
            await group.WriteAsync<double>(fields.A, new[] { 0.5, 0.1 });
            await group.WriteAsync<int>(fields.N, new int?[] { 1, null });
            await group.WriteAsync(fields.Colour, ["red", "blue"]);
            await group.WriteAsync<long>(fields.Kind, new long[] { 7, 11 });
        }

        using var second = writer.CreateRowGroup();
        await second.WriteAsync<double>(fields.A, new[] { 2.25 });
        await second.WriteAsync<int>(fields.N, new int?[] { 3 });
        await second.WriteAsync(fields.Colour, ["red"]);
        await second.WriteAsync<long>(fields.Kind, new long[] { 7 });
    }
}
