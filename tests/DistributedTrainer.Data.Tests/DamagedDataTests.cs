using System.IO.Compression;
using System.Text;
using DistributedTrainer.Data.Supply;
using DistributedTrainer.Tests.Shared;
using Parquet;
using Parquet.Serialization;

namespace DistributedTrainer.Data.Tests;

/// <summary>Damaged and made-up files: each is read, or its problems are listed; none takes more than its size warrants.</summary>
[Collection(nameof(DamagedDataTests))]
public sealed class DamagedDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Csv()
    {
        string[] texts = ["a,b,y\n1,2,3\n4.5,-6e3,7\n0,1,2\n", "a;b;\"y\ny\"\n1;3;\"q\"\"q\"\n2;;p\n", "x,größe,class\n1,NA,yes\n2,3,no\n"];
        Read("data.csv", 20_260_311, 3000, [.. texts.Select(Encoding.UTF8.GetBytes)], factor: 2000, free: 2 << 20);
    }

    [Fact]
    public void Idx()
    {
        _folder.Write("train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]);
        Read("train-images-idx3-ubyte", 20_260_312, 3000, [[0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 3, 0, 0, 0, 5, .. new byte[90]], [0, 0, 8, 2, 0, 0, 0, 6, 0, 0, 0, 4, .. new byte[24]]], factor: 200, free: 1 << 20, source: "");
    }

    [Fact]
    public void Compressed_idx()
    {
        byte[] Compressed(byte[] bytes)
        {
            using var stream = new MemoryStream();
            using (var gzip = new GZipStream(stream, CompressionLevel.SmallestSize))
            {
                gzip.Write(bytes);
            }

            return stream.ToArray();
        }

        // A byte of deflate makes 1032 at most.
        _folder.Write("train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]);
        Read("train-images-idx3-ubyte.gz", 20_260_313, 3000, [Compressed([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 3, 0, 0, 0, 5, .. new byte[90]])], factor: 4000, free: 1 << 20, source: "");
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task Tables_of_columns(CompressionMethod compression)
    {
        var samples = new List<byte[]>();
        foreach (var rows in (int[])[1, 40])
        {
            using var stream = new MemoryStream();
            await ParquetSerializer.SerializeAsync(
                Enumerable.Range(0, rows).Select(static i => new Row { A = i * 0.37, B = i % 5 == 0 ? null : i, C = i % 2 == 0, Kind = i % 3 == 0 ? "x" : "größe" }), stream,
                new ParquetOptions { CompressionMethod = compression, RowGroupSize = 20 });
            samples.Add(stream.ToArray());
        }

        Read("data.parquet", 20_260_320 + (int)compression, 700, samples, ParquetFooter.Expansion, ParquetFooter.Free, everywhere: true);
    }

    [Fact]
    public void A_file_of_another_writer_is_read()
    {
        // Of Apache Arrow: two row groups of five rows, snappy, dictionaries, statistics, metadata.
        var problems = new List<string>();
        var sources = new DataSources(Path.Combine("golden", "arrow.parquet")) { Target = "kind", Format = new TableFormat { Missing = MissingValues.Mean } };
        var dataset = DatasetReader.Read(sources, AppContext.BaseDirectory, problems);
        Assert.Empty(problems);
        Assert.Equal(["größe", "x"], dataset!.ClassNames.Order(StringComparer.Ordinal));
        Assert.Equal((10, "a b c const"), (dataset.Rows, string.Join(' ', dataset.FeatureNames)));
        Assert.Equal([0.37f * 4, 4, 1, 1], Tables.Row(dataset, 9).Select(static value => value));
    }

    [Fact]
    public void A_footer_of_garbage_ends()
    {
        var random = new Random(20_260_330);
        for (var i = 0; i < 300; i++)
        {
            var footer = new byte[random.Next(1, 300)];
            random.NextBytes(footer);
            _folder.Write("data.parquet", [.. "PAR1"u8, .. footer, .. BitConverter.GetBytes(footer.Length), .. "PAR1"u8]);
            var problems = new List<string>();
            Assert.Null(DatasetReader.Read(new DataSources("data.parquet"), _folder.Path, problems));
            Assert.StartsWith("data.parquet: this is no Parquet file that can be read: ", Assert.Single(problems), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_sent_and_stored_of_preprocessing()
    {
        var dataset = DatasetReader.Read("wine", null, null, "", [])!;
        var data = new PreparedData(dataset, DataSplit.Draw(dataset, 0.1, 0.1, stratify: true, 1), [new(PreprocessStep.FillMissing), new(PreprocessStep.Standardize), new(PreprocessStep.Polynomial) { Degree = 2 }]);
        Fuzz.Run(20_260_331, 2000, [data.Describe().ToBytes()], factor: 500, free: 1 << 20, static bytes => DataDescription.FromBytes(bytes), static problem => problem is InvalidDataException);
        Fuzz.Run(
            20_260_332, 2000, [Encoding.UTF8.GetBytes(data.Preprocessor.ToJson())], factor: 500, free: 1 << 20,
            static bytes => Preprocessor.FromJson(Encoding.UTF8.GetString(bytes)), static problem => problem is InvalidDataException);
    }

    private void Read(string name, int seed, int inputs, IReadOnlyList<byte[]> samples, long factor, long free, string? source = null, bool everywhere = false)
    {
        var (read, refused) = Fuzz.Run(
            seed, inputs, samples, factor, free,
            bytes =>
            {
                _folder.Write(name, bytes);
                var problems = new List<string>();
                var dataset = DatasetReader.Read(new DataSources(source ?? name) { HeldBytes = long.MaxValue, Format = new TableFormat { Missing = MissingValues.Mean } }, _folder.Path, problems);
                Assert.True(dataset is null == problems.Count > 0);
                if (dataset is null)
                {
                    throw new RefusedException(string.Join(' ', problems));
                }
            },
            static problem => problem is RefusedException,
            everywhere);
        Assert.InRange(read, 1, inputs - 1);
        Assert.InRange(refused, inputs / 10, inputs - 1);
    }

    private sealed class Row
    {
        public double A { get; set; }

        public int? B { get; set; }

        public bool C { get; set; }

        public string Kind { get; set; } = "";
    }

    private sealed class RefusedException(string problems) : Exception(problems);
}

/// <summary>What all threads allocate is measured: nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(DamagedDataTests), DisableParallelization = true)]
public sealed class DamagedDataAlone;
