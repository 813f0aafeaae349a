using System.Runtime.InteropServices;
using DistributedTrainer.Data.Supply;
using Parquet.Serialization;
using SkiaSharp;

namespace DistributedTrainer.Data.Tests;

/// <summary>Rows that come from another process, against the data itself: the same bits, and no more than is needed.</summary>
[Collection("the cache's folder")]
public sealed class SupplyTests : IDisposable
{
    private const int Shards = 4;

    private static readonly Func<bool> Never = static () => false;

    private readonly TemporaryFolder _folder = new();
    private readonly string? _cache = Environment.GetEnvironmentVariable("DTRAIN_CACHE");
    private readonly List<string> _told = [];

    public SupplyTests() => Environment.SetEnvironmentVariable("DTRAIN_CACHE", Path.Combine(_folder.Path, "cache"));

    public static TheoryData<string> Kinds => ["digits", "numbers.csv", "texts.csv", "rows.parquet", "idx", "images"];

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", _cache);
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Rows_that_are_sent_have_the_bits_of_the_data(string kind)
    {
        await Write();
        var own = Own(kind);
        foreach (var held in (long[])[long.MaxValue, 0])
        {
            var (source, other) = Supplied(own, held);
            Assert.Equal((own.InputShape, own.Dataset.Sha256), (other.InputShape, other.Dataset.Sha256));
            Assert.Equal(own.Dataset.ClassNames, other.Dataset.ClassNames);
            Assert.True(other.Bring([0, 1, 2, 3], Never));
            var asked = source.Asked.Count;
            Same(own, own.Training, other.Training);
            Same(own, own.Validation, other.Validation);
            Same(own, own.Test, other.Test);
            Assert.Equal(asked, source.Asked.Count);
            Assert.Equal(own.Describe().RowBytes, other.SuppliedBytes);
        }

        Assert.Empty(_told);
    }

    [Fact]
    public void A_node_of_large_data_is_sent_the_rows_of_its_shards_only()
    {
        var own = Own("digits");
        var (source, other) = Supplied(own, 0);
        Assert.True(other.Bring([1], Never));
        Assert.All(source.Asked, static range => Assert.Equal((1, Shards), (range.First, range.Stride)));
        Assert.InRange(other.SuppliedBytes, own.Describe().RowBytes / (Shards + 1), own.Describe().RowBytes / (Shards - 1));
        var before = source.Asked.Count;
        Assert.True(other.Bring([1], Never));
        Same(own, own.Training, other.Training, 1);
        Assert.Equal(before, source.Asked.Count);

        // What was not brought before it was needed comes when it is.
        Same(own, own.Training, other.Training, 2);
        Assert.Equal(before + 1, source.Asked.Count);
    }

    [Fact]
    public void Large_data_cannot_be_asked_for_as_a_whole() =>
        Assert.Throws<ArgumentException>(() => Supplied(Own("iris"), 0).Data.Bring(null, Never));

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(0)]
    public void The_processes_of_a_machine_fetch_once(long held)
    {
        var own = Own("iris");
        var first = Supplied(own, held);
        Assert.True(first.Data.Bring([0, 1, 2, 3], Never));
        var second = Supplied(own, held);
        Assert.True(second.Data.Bring([0, 1, 2, 3], Never));
        Assert.NotEmpty(first.Source.Asked);
        Assert.Empty(second.Source.Asked);
        Assert.Equal(0, second.Data.SuppliedBytes);
        Same(own, own.Training, second.Data.Training);

        // Other data, or the same prepared otherwise, is another entry.
        var third = Supplied(Own("iris", new PreprocessingStep(PreprocessStep.MinMax)), held);
        Assert.True(third.Data.Bring([0, 1, 2, 3], Never));
        Assert.Equal(first.Source.Asked.Count, third.Source.Asked.Count);
    }

    [Fact]
    public async Task Threads_that_need_the_same_at_once_fetch_once()
    {
        var own = Own("digits");
        var (one, other) = (Supplied(own, 0), Supplied(own, 0));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => Assert.True((i % 2 == 0 ? one : other).Data.Bring([0, 1], Never)))));
        Assert.Equal(2 * 3, one.Source.Asked.Count + other.Source.Asked.Count);
        Same(own, own.Training, one.Data.Training, 0);
        Same(own, own.Training, other.Data.Training, 1);
    }

    [Theory]
    [InlineData(long.MaxValue, "flipped")]
    [InlineData(0, "flipped")]
    [InlineData(0, "cut")]
    [InlineData(0, "gone")]
    public void A_damaged_entry_of_the_cache_is_fetched_anew(long held, string damage)
    {
        var own = Own("wine");
        Assert.True(Supplied(own, held).Data.Bring([0, 1, 2, 3], Never));
        var entries = Directory.GetFiles(DataCache.Folder, "records", SearchOption.AllDirectories);
        var entry = entries.Order(StringComparer.Ordinal).First();
        switch (damage)
        {
            case "flipped":
                var bytes = File.ReadAllBytes(entry);
                bytes[bytes.Length / 3] ^= 1;
                File.WriteAllBytes(entry, bytes);
                break;
            case "cut":
                using (var file = File.OpenWrite(entry))
                {
                    file.SetLength(10);
                }

                break;
            default:
                File.Delete(entry);
                break;
        }

        var (source, again) = Supplied(own, held);
        Assert.True(again.Bring([0, 1, 2, 3], Never));
        Assert.Single(source.Asked);
        Assert.Contains("is damaged: its rows are fetched anew", Assert.Single(_told), StringComparison.Ordinal);
        Same(own, own.Training, again.Training);
        Same(own, own.Test, again.Test);
        Assert.Equal(entries.Length, Directory.GetFiles(DataCache.Folder, "records", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Without_a_folder_to_write_to_rows_are_held_in_memory_and_it_is_said_once()
    {
        _folder.Write("cache", "a file where a folder should be");
        var own = Own("wine");
        var (_, other) = Supplied(own, 0);
        Assert.True(other.Bring([0, 1, 2, 3], Never));
        Same(own, own.Training, other.Training);
        Assert.Contains("are held in memory", Assert.Single(_told), StringComparison.Ordinal);
        Assert.Contains("DTRAIN_CACHE", _told[0], StringComparison.Ordinal);
    }

    [Fact]
    public void What_nobody_has_is_an_error_and_leaves_nothing_in_the_cache()
    {
        var (source, other) = Supplied(Own("wine"), 0);
        source.Problem = "nobody answers";
        Assert.Equal("nobody answers", Assert.ThrowsAny<IOException>(() => other.Bring([0], Never)).Message);
        Assert.Empty(Directory.GetDirectories(DataCache.Folder));
        source.Problem = null;
        Assert.False(other.Bring([0], static () => true));
        Assert.True(other.Bring([0], Never));
        Assert.Empty(_told);
    }

    [Fact]
    public void A_description_survives_its_way_and_damage_to_it_is_named()
    {
        var own = Own("breast-cancer", new PreprocessingStep(PreprocessStep.Standardize));
        var description = own.Describe();
        var read = DataDescription.FromBytes(description.ToBytes());
        Assert.Equal(description.Key(), read.Key());
        Assert.Equal(own.Preprocessor.ToJson(), read.Preprocessor);
        foreach (var (name, value) in ((string, string)[])[("records", "[1,2]"), ("records", "[1,2,-3]"), ("recordBytes", "[0,0,0]"), ("featureNames", "[]"), ("preprocessor", "null")])
        {
            var json = System.Text.Json.Nodes.JsonNode.Parse(description.ToBytes())!;
            json[name] = System.Text.Json.Nodes.JsonNode.Parse(value);
            Assert.Throws<InvalidDataException>(() => DataDescription.FromBytes(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString())));
        }

        Assert.Throws<InvalidDataException>(() => DataDescription.FromBytes("no JSON"u8));
    }

    private PreparedData Own(string source, params PreprocessingStep[] steps)
    {
        var problems = new List<string>();
        var sources = new DataSources(source) { TextColumns = source == "texts.csv" ? ["colour"] : [], Task = source == "numbers.csv" ? DataTask.Regression : null };
        var dataset = DatasetReader.Read(sources, _folder.Path, problems);
        Assert.Empty(problems);
        steps = steps.Length > 0 ? steps
            : source == "texts.csv" ? [new(PreprocessStep.OneHot) { Columns = ["colour"] }, new(PreprocessStep.Standardize)]
            : source == "numbers.csv" ? [new(PreprocessStep.Polynomial) { Degree = 2 }, new(PreprocessStep.Standardize)]
            : [new(PreprocessStep.Standardize)];
        return new PreparedData(dataset!, DataSplit.Draw(dataset!, 0.2, 0.2, stratify: dataset!.Task == DataTask.Classification, 3), steps);
    }

    private (Shelf Source, PreparedData Data) Supplied(PreparedData own, long held)
    {
        var source = new Shelf(own);
        return (source, new PreparedData(DataDescription.FromBytes(own.Describe().ToBytes()), Shards, source, _told.Add, held));
    }

    private static void Same(PreparedData data, Subset expected, Subset actual, int? shard = null)
    {
        Assert.Equal(expected.Rows, actual.Rows);
        Assert.NotEqual(0, expected.Rows);
        for (var row = shard ?? 0; row < expected.Rows; row += shard is null ? 1 : Shards)
        {
            Tables.AssertBits(Tables.Row(data, expected, row), Tables.Row(data, actual, row));
            if (data.Dataset.Task == DataTask.Classification)
            {
                Assert.Equal(expected.Label(row), actual.Label(row));
            }
            else
            {
                Assert.Equal(expected.Target(row), actual.Target(row));
            }
        }
    }

    private async Task Write()
    {
        string Row(int i) => FormattableString.Invariant($"{i * 7 % 31 / 4.0},{i * 5 % 13 - 6},{Math.Sqrt(i)}");
        _folder.Write("numbers.csv", "a,b,y\n" + string.Join('\n', Enumerable.Range(0, 60).Select(Row)));
        _folder.Write("texts.csv", "a,colour,kind\n" + string.Join('\n', Enumerable.Range(0, 60).Select(static i => $"{i % 7},{(i % 3 == 0 ? "red" : i % 3 == 1 ? "blue" : "green")},{(i % 2 == 0 ? "yes" : "no")}")));
        using (var parquet = File.Create(Path.Combine(_folder.Path, "rows.parquet")))
        {
            await ParquetSerializer.SerializeAsync(Enumerable.Range(0, 60).Select(static i => new ParquetRow { A = i * 0.37, B = i % 5, Kind = i % 3 == 0 ? "x" : "y" }), parquet);
        }

        Directory.CreateDirectory(Path.Combine(_folder.Path, "idx"));
        _folder.Write("idx/train-images-idx3-ubyte", [0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 3, 0, 0, 0, 5, .. Enumerable.Range(0, 60 * 15).Select(static i => (byte)(i * 37 % 251))]);
        _folder.Write("idx/train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 60, .. Enumerable.Range(0, 60).Select(static i => (byte)(i % 3))]);
        for (var i = 0; i < 20; i++)
        {
            var file = Path.Combine(_folder.Path, "images", i % 2 == 0 ? "cat" : "dog", $"{i}.png");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            using var bitmap = new SKBitmap(new SKImageInfo(4, 3, SKColorType.Rgba8888, SKAlphaType.Unpremul));
            bitmap.Erase(new SKColor((byte)(i * 11), (byte)(i * 5), (byte)i));
            using var stream = File.Create(file);
            bitmap.Encode(stream, SKEncodedImageFormat.Png, 100);
        }
    }

    private sealed class ParquetRow
    {
        public double A { get; set; }

        public int B { get; set; }

        public string Kind { get; set; } = "";
    }

    /// <summary>The data, as another process has it.</summary>
    private sealed class Shelf(PreparedData data) : IRecordSource
    {
        private readonly Subset[] _sets = [data.Training, data.Validation, data.Test];

        public List<RecordRange> Asked { get; } = [];

        public string? Problem { get; set; }

        public bool Fetch(RecordRange range, Span<byte> into, Func<bool> isGivenUp)
        {
            if (Problem is not null)
            {
                throw new IOException(Problem);
            }

            if (isGivenUp())
            {
                return false;
            }

            lock (Asked)
            {
                Asked.Add(range);
            }

            var set = _sets[range.Set];
            for (var i = 0; i < range.Count; i++)
            {
                set.CopyRecord(range.First + (i * range.Stride), into.Slice(i * set.RecordBytes, set.RecordBytes));
            }

            return true;
        }
    }
}
