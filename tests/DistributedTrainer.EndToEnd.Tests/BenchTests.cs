using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The measurements run and say what they promise; how fast it is, is not for a test.</summary>
public sealed class BenchTests
{
    [Fact]
    public async Task Matrix_products_are_measured()
    {
        var json = await Json("bench", "matmul", "--sizes", "16x8x4,3x5x7", "--repeat", "1", "--json");
        Assert.Equal(["16x8x4", "3x5x7"], json.EnumerateArray().Select(static size => size.GetProperty("size").GetString()));
        foreach (var size in json.EnumerateArray())
        {
            Assert.True(size.GetProperty("gflops").GetDouble() > 0 && size.GetProperty("peakShare").GetDouble() > 0);
            Assert.Equal(3, size.GetProperty("products").GetArrayLength());
        }

        var (code, output, errors) = await Dtrain.Run(["bench", "matmul", "--sizes", "16x8x4", "--product", "dyw", "--threads", "2", "--repeat", "1"]);
        Assert.True(code == 0, errors);
        Assert.Contains("16x8x4", output, StringComparison.Ordinal);
        Assert.Contains("dy·w", output, StringComparison.Ordinal);
        Assert.DoesNotContain("x·wᵀ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Optimizers_are_measured_beside_a_copy()
    {
        var json = await Json("bench", "optimizer", "--parameters", "1000", "--repeat", "1", "--json");
        Assert.Equal(
            ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
            json.EnumerateArray().Select(static rate => rate.GetProperty("optimizer").GetString()));
        foreach (var rate in json.EnumerateArray())
        {
            Assert.Equal(1000, rate.GetProperty("parameters").GetInt32());
            var ratio = rate.GetProperty("microseconds").GetDouble() / rate.GetProperty("copyMicroseconds").GetDouble();

            // To the digits that are printed.
            Assert.InRange(rate.GetProperty("ratio").GetDouble() / ratio, 0.98, 1.02);
        }
    }

    [Fact]
    public async Task Training_is_measured_on_processes_and_the_run_is_kept_where_one_wants_it()
    {
        using var directory = new RunDirectory();
        Directory.CreateDirectory(directory.In("tmp"));
        var json = await Json(
            directory, "bench", "train", "--layers", "20-8-3", "--batch-norm", "--batch", "6", "--workers", "2", "--partitions", "2", "--steps", "5", "--repeat", "2",
            "--rows", "120", "--transport", "unix", "--dir", directory.Run, "--json");
        foreach (var field in (string[])["samplesPerSecond", "stepsPerSecond", "allocatedBytesPerStep", "serverAllocatedBytesPerStep", "peakGflops"])
        {
            Assert.True(json.GetProperty(field).GetDouble() > 0, field);
        }

        const int Parameters = (20 * 8) + 8 + 16 + (8 * 3) + 3;
        Assert.Equal(Parameters, json.GetProperty("parameters").GetInt32());
        Assert.Equal("unix", json.GetProperty("transport").GetString());
        Assert.Equal(2, json.GetProperty("windows").GetArrayLength());

        // Of each worker: a gradient and a version, and the sums of eight channels (mean and M2, then two sums) there and back.
        Assert.InRange(json.GetProperty("bytesPerStep").GetDouble(), 2 * 2 * 4 * Parameters, 2 * ((2 * 4 * (Parameters + 16)) + (4 * 8 * 2 * 8) + 2000));
        foreach (var shares in json.GetProperty("shares").EnumerateArray())
        {
            Assert.Equal(1, ((string[])["computing", "pushing", "waiting", "copying"]).Sum(name => shares.GetProperty(name).GetDouble()), 3);
        }

        var seconds = directory.Metrics.Select(static line => line.GetProperty("seconds").GetDouble()).ToArray();
        Assert.Equal(seconds.Order(), seconds);
        Assert.True(seconds[^1] >= 2);
        Assert.Empty(Directory.GetDirectories(directory.In("tmp"), "dtrain-bench-*"));

        var (code, _, errors) = await Dtrain.Run(["bench", "train", "--dir", directory.Run]);
        Assert.Equal(2, code);
        Assert.Contains("holds the result of another run", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_convolutional_network_trains_as_threads_of_one_process()
    {
        var json = await Json("bench", "train", "--cnn", "--in-process", "--workers", "1", "--batch", "2", "--steps", "2", "--repeat", "1", "--rows", "40", "--json");
        Assert.Equal("in-process", json.GetProperty("transport").GetString());
        Assert.Equal(421_834, json.GetProperty("parameters").GetInt32());
        Assert.Single(json.GetProperty("shares").EnumerateArray());
    }

    [Fact]
    public async Task An_interrupted_measurement_leaves_nothing_behind()
    {
        using var directory = new RunDirectory();
        Directory.CreateDirectory(directory.In("tmp"));
        await using var dtrain = Dtrain.Start(
            ["bench", "train", "--layers", "20-8-3", "--batch", "6", "--steps", "100000", "--repeat", "1000", "--rows", "120"], null, ("TMPDIR", directory.In("tmp")));
        await dtrain.Line(static line => line.StartsWith("Measuring from step", StringComparison.Ordinal));
        Assert.Single(Directory.GetDirectories(directory.In("tmp"), "dtrain-bench-*"));
        dtrain.Signal("INT");
        var (code, _, errors) = await dtrain.End();
        Assert.Equal(1, code);
        Assert.Contains("Ended by you", errors, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(directory.In("tmp"), "dtrain-bench-*"));
    }

    [Theory]
    [InlineData("in-process", "in-process")]
    [InlineData("unix", "unix")]
    [InlineData("tcp", "tcp")]
    [InlineData("auto", "")]
    public async Task Channels_are_measured_beside_the_bare_medium(string transport, string used)
    {
        var json = await Json("bench", "channel", "--bytes", "10000", "--transport", transport, "--repeat", "1", "--json");
        foreach (var field in (string[])["megabytesPerSecond", "roundTripMicroseconds", "bareMegabytesPerSecond", "bareRoundTripMicroseconds", "memoryCopyMegabytesPerSecond", "rateShare"])
        {
            Assert.True(json.GetProperty(field).GetDouble() > 0, field);
        }

        Assert.StartsWith(used, json.GetProperty("transport").GetString(), StringComparison.Ordinal);
        Assert.NotEqual("auto", json.GetProperty("transport").GetString());
    }

    [Fact]
    public async Task What_was_measured_is_drawn_and_carried_on_to_many_workers()
    {
        using var directory = new RunDirectory();
        var measured = directory.In("growth.csv");
        await File.WriteAllLinesAsync(measured,
        [
            "series,value,workers,parameters,leaves,step_ms,computing_ms,pushing_ms,waiting_ms,copying_ms",
            "workers,1,1,1000000,1,5,4,1,1,1", "workers,2,2,1000000,2,6,5,1,1,1",
            "leaves,1,1,1000000,1,5,2,1,1,1", "leaves,5,1,1000000,5,9,6,1,1,1",
            "parameters,10000,1,10000,1,1,0.5,0.1,0.3,0.1", "parameters,1010000,1,1010000,1,9,0.5,0.2,2.3,1.1",
            "partitions,1,2,1000,2,1,1,0,0,0", "partitions,6,2,1000,2,2,1,0,0,0",
        ]);
        var json = await Json("bench", "growth", measured, "--plot", directory.In("growth.png"), "--json");
        var steps = json.GetProperty("steps").EnumerateArray().ToArray();
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 256], steps.Select(static step => step.GetProperty("workers").GetInt32()));

        // One link for all gets ever narrower.
        var alone = steps.Select(static step => step.GetProperty("oneServer").GetDouble()).ToArray();
        Assert.Equal(alone.Order(), alone);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], (await File.ReadAllBytesAsync(directory.In("growth.png")))[..4]);
    }

    [Theory]
    [InlineData("matmul --sizes 128x784", "--sizes: '128x784' is no size")]
    [InlineData("optimizer --parameters 0", "--parameters is 0")]
    [InlineData("optimizer --optimizer ada", "'ada' is none of all, sgd")]
    [InlineData("matmul --threads 0", "--threads is 0")]
    [InlineData("matmul --product xx", "'xx' is none of all, xw, dyx, dyw")]
    [InlineData("train --workers 0", "--workers is 0")]
    [InlineData("train --transport pigeon", "'pigeon' is none of auto")]
    [InlineData("train --cnn --batch-norm", "--cnn is a network of its own")]
    [InlineData("train --local-norm", "--local-norm says how --batch-norm works")]
    [InlineData("growth nowhere.csv", "nowhere.csv")]
    [InlineData("growth nowhere.csv --parameters 0", "--parameters is 0")]
    [InlineData("channel --transport pigeon", "'pigeon' is none of auto")]
    [InlineData("channel --bytes 0", "--bytes is 0")]
    [InlineData("chanel", "channel")]
    public async Task A_wrong_command_line_names_what_is_wrong(string arguments, string expected)
    {
        var (code, output, errors) = await Dtrain.Run(["bench", .. arguments.Split(' ')]);
        Assert.Equal(2, code);
        Assert.Contains(expected, output + errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("matmul")]
    [InlineData("optimizer")]
    [InlineData("train")]
    [InlineData("channel")]
    [InlineData("growth")]
    public async Task Each_measurement_has_an_example_in_its_help(string name) =>
        Assert.Contains($"dtrain bench {name} --", (await Dtrain.Run(["bench", name, "--help"])).Output.ReplaceLineEndings(" "), StringComparison.Ordinal);

    private static async Task<JsonElement> Json(params string[] arguments)
    {
        var (code, output, errors) = await Dtrain.Run(arguments);
        Assert.True(code == 0, output + errors);
        return JsonDocument.Parse(output).RootElement;
    }

    private static async Task<JsonElement> Json(RunDirectory directory, params string[] arguments)
    {
        var (code, output, errors) = await Dtrain.Run(arguments, null, ("TMPDIR", directory.In("tmp")));
        Assert.True(code == 0, output + errors);
        return JsonDocument.Parse(output).RootElement;
    }
}
