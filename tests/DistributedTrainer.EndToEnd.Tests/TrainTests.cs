using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The main job, from the command to the run folder.</summary>
public sealed class TrainTests
{
    [Fact]
    public async Task The_default_experiment_reaches_97_percent_on_held_back_rows_in_processes_of_their_own()
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await Dtrain.Run(["train", "--run-dir", directory.Run]);
        Assert.True(code == 0, errors);

        var metrics = directory.Result.GetProperty("metrics");
        Assert.True(metrics.GetProperty("testAccuracy").GetDouble() >= 0.97, output);
        Assert.True(metrics.GetProperty("testLoss").GetDouble() < 0.2, output);
        Assert.Equal(0, directory.Result.GetProperty("recoveries").GetArrayLength());
        Assert.Contains("test accuracy", output, StringComparison.Ordinal);
        Assert.Contains(directory.Run, output, StringComparison.Ordinal);

        var nodes = directory.Nodes;
        Assert.Single(nodes, static node => node.Role == "coordinator");
        Assert.Single(nodes, static node => node.Role == "server");
        Assert.Equal(2, nodes.Count(static node => node.Role == "worker"));
        Assert.Equal(4, nodes.Select(static node => node.Process).Distinct().Count());
        await AssertEnded(nodes.Select(static node => node.Process));

        foreach (var file in (string[])["experiment.yaml", "metrics.jsonl", "model.safetensors", "result.json", "nodes.json", "log.txt"])
        {
            Assert.True(new FileInfo(Path.Combine(directory.Run, file)).Length > 0, file);
        }
    }

    [Fact]
    public async Task The_hash_is_that_of_the_data_section_and_the_names_are_those_of_PyTorch()
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await Dtrain.Run(["train", "--in-process", "--json", "--run-dir", directory.Run, "--set", "training.epochs=1"]);
        Assert.True(code == 0, errors);
        Assert.Equal(directory.Hash, JsonDocument.Parse(output).RootElement.GetProperty("parametersSha256").GetString());

        var file = await File.ReadAllBytesAsync(Path.Combine(directory.Run, "model.safetensors"));
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        Assert.Equal(directory.Hash, Convert.ToHexStringLower(SHA256.HashData(file.AsSpan(8 + length))));

        using var header = JsonDocument.Parse(file.AsMemory(8, length));
        var shapes = header.RootElement.EnumerateObject().Where(static entry => entry.Name != "__metadata__")
            .ToDictionary(static entry => entry.Name, static entry => string.Join('x', entry.Value.GetProperty("shape").EnumerateArray()));
        Assert.Equal("256x64", shapes["0.weight"]);
        Assert.Equal("256", shapes["0.bias"]);
        Assert.Equal("256", shapes["1.running_mean"]);
        Assert.Equal("256", shapes["1.running_var"]);
        Assert.Equal("128x256", shapes["4.weight"]);
        Assert.Equal("10x128", shapes["8.weight"]);
    }

    [Fact]
    public async Task The_written_experiment_repeats_the_run()
    {
        using var first = new RunDirectory();
        using var second = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run(["train", "--in-process", "--run-dir", first.Run, "--set", "training.epochs=2", "--set", "seed=7"])).ExitCode);
        Assert.Equal(0, (await Dtrain.Run(["train", Path.Combine(first.Run, "experiment.yaml"), "--in-process", "--run-dir", second.Run])).ExitCode);
        Assert.Equal(first.Hash, second.Hash);
    }

    [Fact]
    public async Task It_does_so_with_files_that_were_named_relatively()
    {
        using var first = new RunDirectory();
        using var second = new RunDirectory();
        await File.WriteAllTextAsync(first.In("own.csv"), "x,y,kind\n" + string.Concat(Enumerable.Range(0, 40).Select(static i => $"{i % 5},{i % 7},{(i % 2 == 0 ? "a" : "b")}\n")));
        await File.WriteAllTextAsync(first.In("own.yaml"), "data: { source: own.csv }\nmodel: { layers: [ linear: 2 ] }\ntraining: { epochs: 2, batch-size: 8 }\n");
        Assert.Equal(0, (await Dtrain.Run(["train", "own.yaml", "--in-process", "--run-dir", first.Run], first.In("."))).ExitCode);
        var (code, _, errors) = await Dtrain.Run(["train", Path.Combine(first.Run, "experiment.yaml"), "--in-process", "--run-dir", second.Run]);
        Assert.True(code == 0, errors);
        Assert.Equal(first.Hash, second.Hash);
    }

    [Fact]
    public async Task A_run_folder_with_a_result_is_not_overwritten()
    {
        using var directory = new RunDirectory();
        string[] train = ["train", "--in-process", "--run-dir", directory.Run, "--set", "training.epochs=1"];
        Assert.Equal(0, (await Dtrain.Run(train)).ExitCode);
        var (code, _, errors) = await Dtrain.Run(train);
        Assert.Equal(2, code);
        Assert.Contains("--run-dir", errors, StringComparison.Ordinal);
    }

    /// <summary>Waits for processes that are ending; one that stays makes it fail.</summary>
    internal static async Task AssertEnded(IEnumerable<int> processes)
    {
        foreach (var id in processes)
        {
            try
            {
                using var process = Process.GetProcessById(id);
                await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
            }
            catch (ArgumentException)
            {
                // Ended already.
            }
        }
    }
}
