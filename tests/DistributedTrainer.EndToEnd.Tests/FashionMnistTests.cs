using System.Buffers.Binary;
using System.IO.Compression;
using DistributedTrainer.Data;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// The experiments of examples/fashion-mnist, shortened, on pictures of the same size and in the same files: the embedded
/// digits, drawn larger. What they reach on the real data is said in the examples.
/// </summary>
public sealed class FashionMnistTests
{
    private const int Side = 28;

    // As in the examples, for a set of a few hundred rows.
    private static readonly string[] Short = ["--set", "training.epochs=4", "--set", "training.batch-size=32"];

    [Theory]
    [InlineData("cnn.yaml")]
    [InlineData("mlp.yaml")]
    public async Task The_examples_learn_from_a_folder_of_images_with_any_number_of_workers(string example)
    {
        using var directory = new RunDirectory();
        var folder = WriteImages(directory.In("images"));
        var hashes = new List<string>();
        foreach (var placement in (string[][])[["--set", "cluster.workers=2"], ["--in-process", "--set", "cluster.workers=1"]])
        {
            var run = directory.In($"run{hashes.Count}");
            var (code, output, errors) = await Dtrain.Run(
                ["train", Path.Combine(RepositoryRoot.Path, "examples", "fashion-mnist", example), "--run-dir", run, "--json", "--set", $"data.source={folder}", .. Short, .. placement]);
            Assert.True(code == 0, errors);
            var result = System.Text.Json.JsonDocument.Parse(output).RootElement;
            Assert.True(result.GetProperty("metrics").GetProperty("testAccuracy").GetDouble() >= 0.8, output);
            hashes.Add(result.GetProperty("parametersSha256").GetString()!);
        }

        Assert.Equal(hashes[0], hashes[1]);
    }

    /// <summary>Writes 600 training images, compressed, and 150 test images, as bytes from 0 to 255.</summary>
    private static string WriteImages(string folder)
    {
        Directory.CreateDirectory(folder);
        var problems = new List<string>();
        var digits = DatasetReader.Read("digits", null, null, "", problems) ?? throw new InvalidDataException(string.Join('\n', problems));
        Write("train", 0, 600, compressed: true);
        Write("t10k", 600, 150, compressed: false);
        return folder;

        void Write(string part, int first, int count, bool compressed)
        {
            var images = new byte[count * Side * Side];
            var row = new float[digits.FeatureCount];
            for (var i = 0; i < count; i++)
            {
                digits.Features.CopyRow(first + i, row);
                for (var pixel = 0; pixel < Side * Side; pixel++)
                {
                    images[(i * Side * Side) + pixel] = (byte)(row[(pixel / Side * 8 / Side * 8) + (pixel % Side * 8 / Side)] / 16 * 255);
                }
            }

            WriteIdx($"{part}-images-idx3-ubyte", [count, Side, Side], images, compressed);
            WriteIdx($"{part}-labels-idx1-ubyte", [count], Array.ConvertAll(digits.Labels[first..(first + count)], static label => (byte)label), compressed);
        }

        void WriteIdx(string name, int[] sizes, byte[] values, bool compressed)
        {
            var header = new byte[4 + (4 * sizes.Length)];
            (header[2], header[3]) = (8, (byte)sizes.Length);
            for (var i = 0; i < sizes.Length; i++)
            {
                BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + (4 * i)), sizes[i]);
            }

            using var file = File.Create(Path.Combine(folder, compressed ? name + ".gz" : name));
            using var stream = compressed ? new GZipStream(file, CompressionLevel.Fastest) : (Stream)file;
            stream.Write(header);
            stream.Write(values);
        }
    }
}
