using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Data as people have it, in; models and predictions for other programs, out.</summary>
public sealed class FormatTests
{
    private const string Experiment = """
        name: gaps
        data: { source: rows.csv, target: kind, separator: ';', quote: "'", missing: mean, preprocess: [ one-hot: [ colour ], standardize ], split: { validation: 0.2, test: 0.1 } }
        model: { layers: [ linear: 8, tanh, linear: 2 ] }
        loss: { kind: cross-entropy, class-weights: balanced }
        optimizer: { kind: adam, learning-rate: 0.05 }
        training: { epochs: 5, batch-size: 16, shards: 4 }
        """;

    [Fact]
    public async Task A_table_with_gaps_and_rare_classes_trains_to_the_same_bits_from_memory_and_mapped_and_goes_out_as_Parquet_and_ONNX()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("rows.csv"), Rows());
        await File.WriteAllTextAsync(directory.In("experiment.yaml"), Experiment);
        var hashes = new List<string>();
        foreach (var (held, placement) in ((string, string[])[])[("0", ["--set", "cluster.workers=2"]), ("1000000", ["--in-process", "--set", "cluster.workers=1"])])
        {
            var (code, output, errors) = await Dtrain.Run(
                ["train", "experiment.yaml", "--json", "--run-dir", directory.In($"run{held}"), .. placement], directory.In("."), ("DTRAIN_HELD_BYTES", held), ("DTRAIN_CACHE", directory.In("cache")));
            Assert.True(code == 0, errors);
            hashes.Add(JsonDocument.Parse(output).RootElement.GetProperty("parametersSha256").GetString()!);
        }

        Assert.Equal(hashes[0], hashes[1]);
        Assert.Single(Directory.GetFiles(directory.In("cache"), "cells", SearchOption.AllDirectories));

        var run = directory.In("run0");
        await Good(directory, "predict", run, "--data", "rows.csv", "--out", "out.csv");
        await Good(directory, "predict", run, "--data", "rows.csv", "--out", "out.parquet");
        await Good(directory, "export", run, "--format", "onnx", "--out", "model.onnx");
        await Good(directory, "export", run, "--format", "safetensors", "--out", "model.safetensors");
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(run, "model.safetensors")), await File.ReadAllBytesAsync(directory.In("model.safetensors")));
        Assert.True(new FileInfo(directory.In("model.onnx")).Length > 500);

        // What is in the two tables of predictions is the same.
        var (csv, parquet) = (await Good(directory, "inspect", "out.csv", "--json"), await Good(directory, "inspect", "out.parquet", "--json"));
        Assert.Equal(csv.GetProperty("columns").GetRawText(), parquet.GetProperty("columns").GetRawText());
        Assert.Equal(["class", "probability_no", "probability_yes"], csv.GetProperty("columns").EnumerateArray().Select(static column => column.GetProperty("name").GetString()));
    }

    private static async Task<JsonElement> Good(RunDirectory directory, params string[] arguments)
    {
        var (code, output, errors) = await Dtrain.RunWithin([.. arguments.Select(argument => argument.Contains('.', StringComparison.Ordinal) && !Path.IsPathRooted(argument) ? directory.In(argument) : argument)]);
        Assert.True(code == 0, output + errors);
        return arguments.Contains("--json") ? JsonDocument.Parse(output).RootElement : default;
    }

    private static string Rows()
    {
        var text = new StringBuilder("a;b;colour;kind\n");
        for (var i = 0; i < 200; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(i % 11 == 0 ? "NA" : $"{i % 17}")};{(i % 13 == 0 ? "" : $"{i * 7 % 23}.5")};'light;{(i % 3 == 0 ? "red" : "blue")}';{(i % 8 == 0 ? "yes" : "no")}\n");
        }

        return text.ToString();
    }
}
