using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Numbers, data and disks that go bad while real processes train.</summary>
public sealed class BadInputTests
{
    // Row 150 of 200 is extreme: in file order it is in step 8 of each epoch of ten, in shard 150 mod 4.
    private const string Extreme = """
        name: extreme
        data: { source: rows.csv, task: regression, shuffle: false, split: none }
        model: { layers: [ linear: 16, relu, linear: 1 ] }
        loss: mean-squared-error
        optimizer: { kind: adam, learning-rate: 0.001 }
        training: { epochs: 3, batch-size: 20, shards: 4 }
        cluster: { workers: 2, partitions: 2 }
        """;

    [Fact]
    public async Task A_step_that_is_not_finite_ends_the_run_with_its_place_and_a_resumed_one_leaves_it_out()
    {
        using var directory = new RunDirectory();
        await WriteRows(directory, extremeRow: 150);
        await File.WriteAllTextAsync(directory.In("extreme.yaml"), Extreme);
        var (code, output, errors) = await Dtrain.Run(["train", directory.In("extreme.yaml"), "--run-dir", directory.Run]);
        Assert.True(code == 1, output + errors);
        Assert.Contains("step 8 is not finite: in shard 2, computed by worker-", errors, StringComparison.Ordinal);
        Assert.Contains("the loss is infinite. Nothing of it was applied. model.safetensors holds the parameters after step 7.", errors, StringComparison.Ordinal);
        Assert.Contains($"The last good checkpoint is of step 7: dtrain resume {directory.Run} --set training.non-finite=skip", errors, StringComparison.Ordinal);
        Assert.Equal(7, directory.Result.GetProperty("steps").GetInt32());
        Assert.Equal(7, directory.Metrics.Count(static line => line.TryGetProperty("loss", out _)));

        // Also with other workers and partitions.
        var resumed = await Dtrain.Run(["resume", directory.Run, "--set", "training.non-finite=skip", "--set", "cluster.workers=1", "--set", "cluster.partitions=1", "--in-process"]);
        Assert.True(resumed.ExitCode == 0, resumed.Output + resumed.Errors);
        Assert.Contains("Step 8 was skipped: in shard 2, computed by ", resumed.Output, StringComparison.Ordinal);
        Assert.Equal((30, 3), (directory.Result.GetProperty("steps").GetInt32(), directory.Result.GetProperty("skippedSteps").GetInt32()));

        using var whole = new RunDirectory();
        var skipping = await Dtrain.Run(["train", directory.In("extreme.yaml"), "--run-dir", whole.Run, "--set", "training.non-finite=skip", "--set", "cluster.workers=4", "--in-process"]);
        Assert.True(skipping.ExitCode == 0, skipping.Output + skipping.Errors);
        Assert.Equal(whole.Hash, directory.Hash);
    }

    [Fact]
    public async Task Data_that_is_replaced_while_a_run_goes_on_changes_nothing_since_new_nodes_are_sent_what_the_others_have()
    {
        using var directory = new RunDirectory();
        await WriteRows(directory, extremeRow: null);
        string[] train = ["train", directory.In("extreme.yaml"), "--set", "training.epochs=2000", "--set", "cluster.minimum-workers=2"];
        await File.WriteAllTextAsync(directory.In("extreme.yaml"), Extreme);
        using var quiet = new RunDirectory();
        Assert.Equal(0, (await Dtrain.Run([.. train, "--in-process", "--run-dir", quiet.Run])).ExitCode);

        await using var dtrain = Dtrain.Start([.. train, "--run-dir", directory.Run], null, ("DTRAIN_CACHE", directory.In("cache")));
        await dtrain.Line(static line => line.StartsWith("Run folder: ", StringComparison.Ordinal));
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        await WriteRows(directory, extremeRow: 3);
        Dtrain.Signal(directory.Nodes.First(static node => node.Role == "worker").Process, "KILL");
        var supplied = await dtrain.Line(static line => line.Contains("bytes of rows were fetched", StringComparison.Ordinal));
        Assert.Matches("^worker-.*rows.csv has the SHA-256 [0-9a-f]{64} here, and [0-9a-f]{64} at the coordinator; ", supplied);
        var (code, output, errors) = await dtrain.End();
        Assert.True(code == 0, output + errors);
        Assert.Equal(quiet.Hash, directory.Hash);
    }

    [Fact]
    public async Task A_run_folder_that_cannot_be_written_is_refused_before_anything_is_computed()
    {
        var (code, output, errors) = await Dtrain.Run(["train", "--in-process", "--run-dir", "/proc/self/run"]);
        Assert.True(code == 2, output + errors);
        Assert.Contains("The run folder cannot be written: ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_is_full_for_a_while_costs_checkpoints_and_nothing_else()
    {
        string[] train = ["train", "--set", "training.epochs=600", "--set", "checkpoint.every-steps=150", "--set", "checkpoint.keep=2"];
        using var directory = new RunDirectory();

        // The runtime's own code memory would be limited too.
        await using var dtrain = Dtrain.StartWithFullDiskErrors([.. train, "--run-dir", directory.Run], ("DOTNET_EnableWriteXorExecute", "0"));
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        await Until(() => Checkpoints(directory).Length > 0);
        var coordinator = directory.Nodes.Single(static node => node.Role == "coordinator").Process;
        FileSizeLimit.Set(coordinator, 2048);
        var folder = await dtrain.Line(static line => line.StartsWith("The run folder cannot be written: ", StringComparison.Ordinal));
        Assert.EndsWith("Training goes on; what is missing is written when it can be.", folder, StringComparison.Ordinal);
        var checkpoint = await dtrain.Line(static line => line.Contains("could not be written: ", StringComparison.Ordinal) && line.StartsWith("The checkpoint of step ", StringComparison.Ordinal));
        var stays = int.Parse(checkpoint[(checkpoint.LastIndexOf("step ", StringComparison.Ordinal) + 5)..^" stays.".Length], CultureInfo.InvariantCulture);
        AssertWhole(directory, stays);
        FileSizeLimit.Lift(coordinator);
        await dtrain.Line(static line => line == "The run folder can be written again, and nothing is missing in it.");
        await dtrain.Line(static line => line.StartsWith("Checkpoints can be written again: ", StringComparison.Ordinal));

        var (code, output, errors) = await dtrain.End();
        Assert.True(code == 0, output + errors);
        Assert.Single(output.Split('\n'), static line => line.StartsWith("The run folder cannot", StringComparison.Ordinal));
        Assert.Single(output.Split('\n'), static line => line.StartsWith("The checkpoint of step ", StringComparison.Ordinal));
        var steps = directory.Metrics.Where(static line => line.TryGetProperty("loss", out _)).Select(static line => line.GetProperty("step").GetInt64()).ToArray();
        Assert.Equal(Enumerable.Range(1, steps.Length).Select(static step => (long)step), steps);
        Assert.Equal(directory.Result.GetProperty("steps").GetInt64(), steps.Length);
        Assert.All(Checkpoints(directory), step => AssertWhole(directory, step));
    }

    private static int[] Checkpoints(RunDirectory directory)
    {
        var folder = Path.Combine(directory.Run, "checkpoints");
        return !Directory.Exists(folder) ? [] : [.. Directory.GetDirectories(folder)
            .Where(static step => File.Exists(Path.Combine(step, "manifest.json"))).Select(static step => int.Parse(Path.GetFileName(step)["step-".Length..], CultureInfo.InvariantCulture))];
    }

    private static void AssertWhole(RunDirectory directory, int step)
    {
        var folder = Path.Combine(directory.Run, "checkpoints", $"step-{step:00000000}");
        using var manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "manifest.json")));
        var files = manifest.RootElement.GetProperty("files").EnumerateArray().ToArray();
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.Equal(
            file.GetProperty("sha256").GetString(), Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, file.GetProperty("file").GetString()!))))));
    }

    internal static async Task Until(Func<bool> condition)
    {
        for (var start = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Dtrain.Limit, "it did not happen");
            await Task.Delay(10);
        }
    }

    private static async Task WriteRows(RunDirectory directory, int? extremeRow)
    {
        var text = new StringBuilder("a,b,y\n");
        for (var row = 0; row < 200; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(row == extremeRow ? "1e30" : $"0.{row % 7}")},0.{row % 9},{row % 5}\n");
        }

        await File.WriteAllTextAsync(directory.In("rows.csv"), text.ToString());
    }
}
