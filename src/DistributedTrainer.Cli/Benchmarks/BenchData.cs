using System.Buffers.Binary;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>
/// Writes a folder of IDX files with rows like those of Fashion-MNIST: bytes, about half of them zero, some features
/// nearly always zero and some nearly never; the classes can be learnt, but not to the last row.
/// </summary>
internal static class BenchData
{
    private const ulong Seed = 1;
    private const byte UnsignedByte = 8;

    // One label in so many says nothing of its row: the loss, and with it the gradients, stay away from zero.
    private const int WrongLabels = 10;

    /// <summary>Writes the training rows.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="rows">At least as many as classes.</param>
    /// <param name="sizes">Sizes of one row.</param>
    /// <param name="classes">2 to 255.</param>
    public static void Write(string folder, int rows, IReadOnlyList<int> sizes, int classes)
    {
        var features = sizes.Aggregate(1, static (product, size) => product * size);
        var patterns = Patterns(features, classes);
        var choices = new RandomStream(Seed, RandomPurpose.Sample, shard: 0);
        var labels = new byte[rows];
        using (var images = Open(folder, $"train-images-idx{sizes.Count + 1}-ubyte", [rows, .. sizes]))
        {
            var (bits, values) = (new uint[features], new byte[features]);
            for (var row = 0; row < rows; row++)
            {
                // The first rows have each class once: all must occur.
                var kind = row < classes ? row : choices.Below(3L * row, classes);
                labels[row] = (byte)(row >= classes && choices.Below((3L * row) + 1, WrongLabels) == 0 ? choices.Below((3L * row) + 2, classes) : kind);
                new RandomStream(Seed, RandomPurpose.Sample, step: row, shard: 1).Fill(bits);
                var pattern = patterns[kind];
                for (var i = 0; i < features; i++)
                {
                    // The upper half of the bits says whether, the lower half how much.
                    values[i] = bits[i] >> 16 < pattern[i].Threshold ? (byte)(1 + ((bits[i] & 0xFFFF) * pattern[i].Brightest >> 16)) : (byte)0;
                }

                images.Write(values);
            }
        }

        using var file = Open(folder, "train-labels-idx1-ubyte", [rows]);
        file.Write(labels);
    }

    /// <summary>For each class and feature: how often of 65,536 times it is not zero, and its largest value.</summary>
    private static (uint Threshold, uint Brightest)[][] Patterns(int features, int classes)
    {
        var common = new RandomStream(Seed, RandomPurpose.Sample, shard: 2);
        return [.. Enumerable.Range(0, classes).Select(kind =>
        {
            var own = new RandomStream(Seed, RandomPurpose.Sample, step: kind, shard: 3);
            return Enumerable.Range(0, features).Select(i =>
            {
                // Pushed to both ends, around one half on average; and a little different for each class.
                var u = common.Uniform(i);
                var often = Math.Clamp((u * u * (3 - (2 * u))) + ((own.Uniform(2L * i) - 0.5f) * 0.3f), 0, 1);
                return ((uint)(often * 65536), 55 + (uint)own.Below((2L * i) + 1, 200));
            }).ToArray();
        })];
    }

    private static BufferedStream Open(string folder, string name, ReadOnlySpan<int> sizes)
    {
        var file = new BufferedStream(File.Create(Path.Combine(folder, name)), 1 << 16);
        file.Write([0, 0, UnsignedByte, (byte)sizes.Length]);
        Span<byte> number = stackalloc byte[4];
        foreach (var size in sizes)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, size);
            file.Write(number);
        }

        return file;
    }
}
