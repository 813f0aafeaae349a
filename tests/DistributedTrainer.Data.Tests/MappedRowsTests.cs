using System.IO.Compression;
using System.Runtime.InteropServices;
using CsCheck;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Data.Tests;

/// <summary>Rows that are read where they lie in a file, against the same rows held in memory: the same bits.</summary>
[Collection("the cache's folder")]
public sealed class MappedRowsTests : IDisposable
{
    private const int Count = 300;
    private readonly TemporaryFolder _folder = new();
    private readonly string? _cache = Environment.GetEnvironmentVariable("DTRAIN_CACHE");

    public MappedRowsTests()
    {
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", Path.Combine(_folder.Path, "cache"));
        var bytes = new byte[Count * 15];
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)new RandomStream(7, RandomPurpose.Sample).Bits(i);
        }

        _folder.Write("train-images-idx3-ubyte", Idx([Count, 3, 5], bytes));
        _folder.Write("train-labels-idx1-ubyte", Idx([Count], [.. Enumerable.Range(0, Count).Select(static row => (byte)(row % 3))]));
        _folder.Write("t10k-images-idx3-ubyte", Idx([20, 3, 5], bytes[..300]));
        _folder.Write("t10k-labels-idx1-ubyte", Idx([20], [.. Enumerable.Range(0, 20).Select(static row => (byte)(row % 3))]));
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", _cache);
        _folder.Dispose();
    }

    private static byte[] Idx(int[] sizes, byte[] values) =>
        [0, 0, 8, (byte)sizes.Length, .. sizes.SelectMany(static size => new[] { (byte)(size >> 24), (byte)(size >> 16), (byte)(size >> 8), (byte)size }), .. values];

    private Dataset Read(long held)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(new DataSources(_folder.Path) { HeldBytes = held }, "", problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private static void SameRows(Dataset left, Dataset right)
    {
        Assert.Equal(left.Sha256, right.Sha256);
        Assert.Equal(left.Labels, right.Labels);
        Assert.Equal(left.ClassNames, right.ClassNames);
        var split = DataSplit.Draw(left, 0.2, 0, stratify: true, 3);
        PreprocessingStep[] steps = [new(PreprocessStep.Scale) { Factor = 1 / 255.0 }, new(PreprocessStep.Standardize)];
        var (a, b) = (new PreparedData(left, split, steps), new PreparedData(right, split, steps));
        foreach (var (x, y) in (ReadOnlySpan<(Subset, Subset)>)[(a.Training, b.Training), (a.Validation, b.Validation), (a.Test, b.Test)])
        {
            Assert.Equal(x.Rows, y.Rows);
            for (var row = 0; row < x.Rows; row++)
            {
                Assert.Equal(Tables.Row(a, x, row), Tables.Row(b, y, row));
                Assert.Equal(x.Label(row), y.Label(row));
            }
        }
    }

    [Fact]
    public void Mapped_files_give_the_same_bits_as_files_in_memory()
    {
        var (held, mapped) = (Read(long.MaxValue), Read(0));

        Assert.False(held.Features.IsMapped);
        Assert.True(mapped.Features.IsMapped);
        Assert.Equal(0, mapped.Features.HeldBytes);
        SameRows(held, mapped);
        SameRows(held, Read(100));
    }

    [Fact]
    public void A_compressed_file_is_unpacked_once_and_mapped()
    {
        var held = Read(long.MaxValue);
        foreach (var file in Directory.GetFiles(_folder.Path))
        {
            using (var target = new GZipStream(File.Create(file + ".gz"), CompressionLevel.Fastest))
            {
                target.Write(File.ReadAllBytes(file));
            }

            File.Delete(file);
        }

        var first = Read(0);
        var unpacked = Directory.GetFiles(DataCache.Folder, "rows", SearchOption.AllDirectories).ToDictionary(static file => file, File.GetLastWriteTimeUtc);

        Assert.Equal(4, unpacked.Count);
        Assert.True(first.Features.IsMapped);
        SameRows(held, first);
        SameRows(held, Read(0));
        Assert.All(unpacked, static file => Assert.Equal(file.Value, File.GetLastWriteTimeUtc(file.Key)));
    }

    [Fact]
    public void A_file_that_was_changed_has_another_checksum_although_one_was_noted()
    {
        var first = Read(0).Sha256;
        var path = Path.Combine(_folder.Path, "train-labels-idx1-ubyte");
        var bytes = File.ReadAllBytes(path);
        bytes[^1] = (byte)(2 - bytes[^1]);
        File.WriteAllBytes(path, bytes);

        Assert.NotEqual(first, Read(0).Sha256);
    }

    [Fact]
    public void A_note_is_believed_as_long_as_its_files_are_older()
    {
        var path = Path.Combine(_folder.Path, "train-labels-idx1-ubyte");
        File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var computed = 0;
        string Remembered() => DataCache.Remembered("test", [path], () => $"value {++computed}");

        Assert.Equal(["value 1", "value 1"], [Remembered(), Remembered()]);
        File.SetLastWriteTimeUtc(path, new DateTime(2021, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Equal("value 2", Remembered());
        File.SetLastWriteTimeUtc(path, new DateTime(2100, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Equal(["value 3", "value 4"], [Remembered(), Remembered()]);
    }

    [Fact]
    public void Counted_bytes_give_the_statistics_of_the_rows()
    {
        foreach (var held in (long[])[long.MaxValue, 0, 0])
        {
            var dataset = Read(held);
            int[] rows = [.. Enumerable.Range(0, Count).Where(static row => row % 4 != 0)];
            PreprocessingStep[] steps = [new(PreprocessStep.Standardize), new(PreprocessStep.Polynomial) { Degree = 2 }, new(PreprocessStep.MinMax)];
            var (counted, ordered) = (Preprocessor.Fit(dataset, rows, steps, fewRows: 0), Preprocessor.Fit(dataset, rows, steps, fewRows: Count));
            for (var row = 0; row < Count; row++)
            {
                foreach (var (left, right) in Tables.Apply(counted, dataset, row).Zip(Tables.Apply(ordered, dataset, row)))
                {
                    Assert.Equal(right, left, 1e-6f);
                }
            }
        }

        // Counted in memory and counted in the file is the same, to the last bit.
        PreprocessingStep[] standardize = [new(PreprocessStep.Standardize)];
        Assert.Equal(
            Preprocessor.Fit(Read(long.MaxValue), [1, 2, 3, 7], standardize, fewRows: 0).ToJson(), Preprocessor.Fit(Read(0), [1, 2, 3, 7], standardize, fewRows: 0).ToJson());
        Assert.NotEqual(
            Preprocessor.Fit(Read(0), [1, 2, 3, 7], standardize, fewRows: 0).ToJson(), Preprocessor.Fit(Read(0), [1, 2, 3, 8], standardize, fewRows: 0).ToJson());
    }

    [Fact]
    public void Every_length_is_copied_whole()
    {
        var bytes = new byte[300];
        new Random(5).NextBytes(bytes);
        _folder.Write("bytes", bytes);
        var file = MappedFile.Open(Path.Combine(_folder.Path, "bytes"));
        for (var length = 0; length <= 256; length++)
        {
            var into = new byte[length];
            file.Read(length % 17, into);
            Assert.Equal(bytes.AsSpan(length % 17, length).ToArray(), into);
        }

        Assert.ThrowsAny<ArgumentException>(() => file.Read(280, new byte[21]));
        Assert.Equal(MemoryMarshal.Cast<byte, float>(bytes)[3], Float(file, 3));
    }

    private static float Float(MappedFile file, int row)
    {
        var into = new float[1];
        RowBlock.OfFloats(file, 75, 1).Copy(row, into);
        return into[0];
    }

    [Fact]
    public void A_large_shard_visits_its_rows_once_an_epoch_in_another_order_each_time() => Property.For(
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 40], Gen.Int[1, 4], Gen.ULong), static c =>
        {
            var (rows, batch, shards, seed) = c;
            shards = Math.Min(shards, Math.Min(rows, batch));
            var schedule = new LeafSchedule(rows, batch, shards, keepLast: true, shuffle: true, seed);
            for (var shard = 0; shard < shards; shard++)
            {
                var order = new ShardOrder(schedule, shard, fewRows: 0);
                for (var epoch = 0; epoch < 2; epoch++)
                {
                    var visited = Enumerable.Range(0, (int)schedule.StepsPerEpoch).SelectMany(step => order.Rows((epoch * schedule.StepsPerEpoch) + step).ToArray()).ToArray();
                    Assert.Equal(Enumerable.Range(0, rows).Where(row => row % shards == shard), visited.Order());
                }
            }
        });

    [Fact]
    public void Orders_by_position_look_like_chance()
    {
        const int Rows = 5000;
        var (first, second) = (Order(1), Order(2));

        // Of two independent orders one place in so many agrees, and neighbours stand apart: means of Rows / 3, give or take.
        Assert.InRange(first.Where((row, place) => row == second[place]).Count(), 0, 8);
        Assert.InRange(first.Skip(1).Zip(first, static (a, b) => Math.Abs(a - b)).Average(), 0.32 * Rows, 0.347 * Rows);
        Assert.InRange(first.Take(Rows / 2).Average(), 0.48 * Rows, 0.52 * Rows);

        static int[] Order(long epoch)
        {
            var order = new PositionShuffle(new RandomStream(9, RandomPurpose.Shuffle, epoch), Rows);
            return [.. Enumerable.Range(0, Rows).Select(order.At)];
        }
    }
}
