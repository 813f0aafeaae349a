using System.IO.Compression;

namespace DistributedTrainer.Data.Tests;

public sealed class IdxTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Idx(int[] sizes, params byte[] values) =>
        [0, 0, 8, (byte)sizes.Length, .. sizes.SelectMany(static size => new[] { (byte)(size >> 24), (byte)(size >> 16), (byte)(size >> 8), (byte)size }), .. values];

    private static byte[] Compressed(byte[] bytes)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(bytes);
        }

        return stream.ToArray();
    }

    private static byte[] Pixels(int count, int first = 0) => [.. Enumerable.Range(first, count).Select(static value => (byte)value)];

    private void WriteTraining()
    {
        _folder.Write("train-images-idx3-ubyte", Idx([4, 2, 3], Pixels(24)));
        _folder.Write("train-labels-idx1-ubyte", Idx([4], 7, 3, 7, 11));
    }

    private void WriteTest(params byte[] labels)
    {
        _folder.Write("t10k-images-idx3-ubyte", Idx([labels.Length, 2, 3], Pixels(6 * labels.Length, 200)));
        _folder.Write("t10k-labels-idx1-ubyte", Idx([labels.Length], labels));
    }

    private Dataset Read(DataTask? task = null)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(_folder.Path, null, task, "", problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private string Problem(DataSources? sources = null)
    {
        var problems = new List<string>();
        Assert.Null(DatasetReader.Read(sources ?? new DataSources(_folder.Path), "", problems));
        return Assert.Single(problems);
    }

    [Fact]
    public void A_folder_gives_images_with_their_shape_and_values_from_0_to_255()
    {
        WriteTraining();
        WriteTest(11, 3);
        var dataset = Read();

        Assert.Equal("1x2x3", dataset.InputShape.ToString());
        Assert.Equal(["pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_1_0", "pixel_1_1", "pixel_1_2"], dataset.FeatureNames);
        Assert.Equal((6, 4, 0, 2), (dataset.Rows, dataset.TrainingRows, dataset.ValidationRows, dataset.TestRows));
        Assert.Equal([18f, 19, 20, 21, 22, 23], Tables.Row(dataset, 3));
        Assert.Equal([206f, 207, 208, 209, 210, 211], Tables.Row(dataset, 5));
        Assert.Equal(["3", "7", "11"], dataset.ClassNames);
        Assert.Equal([1, 0, 1, 2, 2, 0], dataset.Labels);
        Assert.True(dataset.Features.IsBytes);
    }

    [Fact]
    public void Test_files_are_the_test_rows_and_validation_is_drawn_from_the_training_files()
    {
        WriteTraining();
        WriteTest(11, 3);
        var split = DataSplit.Draw(Read(), 0.25, 0.9, stratify: false, 1);

        Assert.Equal([4, 5], split.Test);
        Assert.Single(split.Validation);
        Assert.Equal([0, 1, 2, 3], split.Training.Concat(split.Validation).Order());
        Assert.Equal([0, 1, 2, 3], DataSplit.None(Read()).Training);
        Assert.Equal([4, 5], DataSplit.None(Read()).Test);
    }

    [Fact]
    public void Without_test_files_the_test_rows_are_drawn()
    {
        WriteTraining();

        Assert.Single(DataSplit.Draw(Read(), 0.25, 0.25, stratify: false, 1).Test);
    }

    [Fact]
    public void Compressed_files_are_the_same_data()
    {
        WriteTraining();
        var plain = Read();
        foreach (var file in Directory.GetFiles(_folder.Path))
        {
            File.WriteAllBytes(file + ".gz", Compressed(File.ReadAllBytes(file)));
        }

        Assert.Equal(plain.Sha256, Read().Sha256);
        File.Delete(Path.Combine(_folder.Path, "train-images-idx3-ubyte"));
        File.Delete(Path.Combine(_folder.Path, "train-labels-idx1-ubyte"));
        var compressed = Read();

        Assert.Equal(plain.Sha256, compressed.Sha256);
        Assert.Equal(Tables.Row(plain, 2), Tables.Row(compressed, 2));
        Assert.Equal(plain.Labels, compressed.Labels);
    }

    [Fact]
    public void Other_pixels_and_other_labels_have_another_checksum()
    {
        WriteTraining();
        var first = Read().Sha256;
        _folder.Write("train-labels-idx1-ubyte", Idx([4], 7, 3, 11, 7));

        Assert.NotEqual(first, Read().Sha256);
    }

    [Fact]
    public void Labels_may_be_numbers()
    {
        WriteTraining();
        WriteTest(200);
        var dataset = Read(DataTask.Regression);

        Assert.Equal([7f, 3, 7, 11, 200], dataset.Values);
        Assert.Empty(dataset.ClassNames);
    }

    [Fact]
    public void Colour_images_have_channels_and_tables_of_bytes_are_flat()
    {
        _folder.Write("train-labels-idx1-ubyte", Idx([1], 0));
        _folder.Write("train-images-idx4-ubyte", Idx([1, 3, 1, 2], Pixels(6)));
        Assert.Equal("3x1x2", Read().InputShape.ToString());

        File.Delete(Path.Combine(_folder.Path, "train-images-idx4-ubyte"));
        _folder.Write("train-images-idx2-ubyte", Idx([1, 6], Pixels(6)));
        Assert.Equal("6", Read().InputShape.ToString());
    }

    [Fact]
    public void A_class_that_only_the_test_files_have_is_refused()
    {
        WriteTraining();
        WriteTest(3, 9);

        Assert.Contains("the label 9 occurs in the test files only", Problem());
    }

    [Fact]
    public void A_folder_without_images_says_what_belongs_there() =>
        Assert.Contains("A file train-images-idx3-ubyte or train-images-idx3-ubyte.gz belongs there", Problem());

    [Fact]
    public void Half_a_pair_of_test_files_is_refused()
    {
        WriteTraining();
        _folder.Write("t10k-images-idx3-ubyte", Idx([1, 2, 3], Pixels(6)));

        Assert.Contains("no t10k labels", Problem());
    }

    [Fact]
    public void Several_files_for_one_part_are_refused()
    {
        WriteTraining();
        _folder.Write("copy-train-labels-idx1-ubyte", Idx([4], 7, 3, 7, 11));

        Assert.Contains("several files could hold the train labels: copy-train-labels-idx1-ubyte, train-labels-idx1-ubyte", Problem());
    }

    [Fact]
    public void Images_and_labels_must_be_of_the_same_number_and_size()
    {
        WriteTraining();
        _folder.Write("train-labels-idx1-ubyte", Idx([3], 7, 3, 7));
        Assert.Contains("4 train images, but 3 train labels", Problem());

        WriteTraining();
        _folder.Write("t10k-images-idx3-ubyte", Idx([1, 3, 3], Pixels(9)));
        _folder.Write("t10k-labels-idx1-ubyte", Idx([1], 3));
        Assert.Contains("the training images are 2x3, the test images 3x3", Problem());
    }

    public static TheoryData<string, byte[]> Damaged => new()
    {
        { "no IDX file", [] },
        { "no IDX file", [0, 0] },
        { "no IDX file", [0x1f, 0x8b, 8, 3, 0, 0, 0, 0] },
        { "type 0x0D", [0, 0, 0x0D, 3, .. Idx([4, 2, 3], Pixels(24))[4..]] },
        { "1 dimensions, 2 to 4 are expected", Idx([24], Pixels(24)) },
        { "200 dimensions", [0, 0, 8, 200] },
        { "ends within its header", Idx([4, 2, 3])[..10] },
        { "dimension 1 has the size 0", Idx([4, 0, 3]) },
        { "dimension 0 has the size -1", Idx([-1, 2, 3], Pixels(24)) },
        { "there are 39", Idx([4, 2, 3], Pixels(23)) },
        { "there are 41", Idx([4, 2, 3], Pixels(25)) },
        { "there are 40", Idx([2_000_000_000, 1, 1], Pixels(24)) },
        { "more than can be read", Idx([int.MaxValue, int.MaxValue, int.MaxValue], Pixels(24)) },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void Damaged_files_are_refused(string message, byte[] bytes)
    {
        WriteTraining();
        _folder.Write("train-images-idx3-ubyte", bytes);

        Assert.Contains(message, Problem());
    }

    [Fact]
    public void A_header_that_promises_much_costs_no_memory()
    {
        WriteTraining();
        _folder.Write("train-images-idx3-ubyte", Idx([1_900_000_000, 1, 1], Pixels(24)));
        var lie = Compressed(Idx([1_900_000_000, 1, 1], Pixels(24)));
        BitConverter.TryWriteBytes(lie.AsSpan(lie.Length - 4), 1_900_000_016u);
        _folder.Write("t10k-images-idx3-ubyte.gz", lie);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Problem();
        File.Delete(Path.Combine(_folder.Path, "train-images-idx3-ubyte"));
        File.Move(Path.Combine(_folder.Path, "t10k-images-idx3-ubyte.gz"), Path.Combine(_folder.Path, "train-images-idx3-ubyte.gz"));
        Assert.Contains("truncated or damaged", Problem());

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000_000);
    }

    [Fact]
    public void Damaged_compressed_files_are_refused()
    {
        WriteTraining();
        File.Delete(Path.Combine(_folder.Path, "train-images-idx3-ubyte"));
        var bytes = Compressed(Idx([4, 2, 3], Pixels(24)));
        foreach (var damaged in (byte[][])[bytes[..^9], bytes[..2], [.. bytes[..12], 0xFF, 0xFF, .. bytes[14..]], Compressed(Idx([4, 2, 4], Pixels(24)))])
        {
            _folder.Write("train-images-idx3-ubyte.gz", damaged);
            Assert.StartsWith("train-images-idx3-ubyte.gz: ", Problem(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Options_of_tables_are_refused_for_a_folder()
    {
        WriteTraining();

        Assert.Contains("are for CSV files", Problem(new DataSources(_folder.Path) { Validation = "iris" }));
        Assert.Contains("Remove data.target", Problem(new DataSources(_folder.Path) { Target = "digit" }));
        Assert.Contains("Remove one-hot", Problem(new DataSources(_folder.Path) { TextColumns = ["pixel_0_0"] }));
    }

    [Fact]
    public void Bytes_are_preprocessed_to_the_same_bits_as_numbers()
    {
        WriteTraining();
        WriteTest(11, 3);
        var bytes = Read();
        var numbers = bytes with { Features = new FeatureTable(6, Enumerable.Range(0, bytes.Rows).SelectMany(row => Tables.Row(bytes, row)).ToArray()) };
        PreprocessingStep[] steps = [new(PreprocessStep.Scale) { Factor = 1 / 255.0 }, new(PreprocessStep.Standardize), new(PreprocessStep.Polynomial) { Degree = 3 }];
        var split = DataSplit.Draw(bytes, 0.25, 0, stratify: false, 1);
        var (fromBytes, fromNumbers) = (new PreparedData(bytes, split, steps), new PreparedData(numbers, split, steps));

        Assert.Equal(18, fromBytes.InputShape.Elements);
        foreach (var (left, right) in (ReadOnlySpan<(Subset, Subset)>)[(fromBytes.Training, fromNumbers.Training), (fromBytes.Validation, fromNumbers.Validation), (fromBytes.Test, fromNumbers.Test)])
        {
            Assert.Equal(left.Rows, right.Rows);
            for (var row = 0; row < left.Rows; row++)
            {
                Assert.Equal(Tables.Row(fromNumbers, right, row), Tables.Row(fromBytes, left, row));
                Assert.Equal(right.Label(row), left.Label(row));
            }
        }
    }

    [Fact]
    public void Images_keep_their_shape_through_steps_that_keep_the_columns()
    {
        WriteTraining();
        var dataset = Read();

        Assert.Equal("1x2x3", new PreparedData(dataset, DataSplit.None(dataset), [new(PreprocessStep.MinMax)]).InputShape.ToString());
    }

    [Fact]
    public void Digits_may_be_taken_as_another_shape()
    {
        var digits = DatasetReader.Read("digits", null, null, "", [])!;

        Assert.Equal("64", digits.WithShape(64).InputShape.ToString());
        Assert.Equal("4x4x4", digits.WithShape(4, 4, 4).InputShape.ToString());
        Assert.Contains("1x9x8 does not fit the 64 features of digits", Assert.Throws<ArgumentException>(() => digits.WithShape(1, 9, 8)).Message);
        Assert.Throws<ArgumentException>(() => digits.WithShape(int.MaxValue, int.MaxValue, 64));
    }
}
