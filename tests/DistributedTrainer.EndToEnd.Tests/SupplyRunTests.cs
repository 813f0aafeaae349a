using System.Globalization;
using System.Text;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Processes that do not share a file: each has a working folder of its own, and the experiment's path begins there. The
/// result is that of a run in which all have the file, to the bit.
/// </summary>
public sealed class SupplyRunTests
{
    private const string Here = "/proc/self/cwd/";

    private const string Experiment = """
        name: far
        data: { source: /proc/self/cwd/rows, preprocess: [ standardize ], split: { validation: 0.1, test: 0.1 } }
        model: { layers: [ linear: 12, batch-norm, tanh, linear: 2 ] }
        optimizer: { kind: adam, learning-rate: 0.01 }
        training: { epochs: 10, batch-size: 32, shards: 4 }
        cluster: { workers: 2, minimum-workers: 2 }
        """;

    public static TheoryData<string, string> Cases => new() { { "rows.csv", "1000000" }, { "rows.csv", "0" }, { "images", "1000000" }, { "images", "0" } };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Nodes_without_the_file_or_with_another_one_are_sent_its_rows(string source, string held)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var cluster = new Folders(source);
        var expected = await cluster.Quiet();
        (string, string)[] environment = [("DTRAIN_HELD_BYTES", held)];
        await using var coordinator = cluster.Node("coordinator", "coordinator", null, 0, environment);
        var address = await Folders.Address(coordinator);
        await using var server = cluster.Node("without", "server", address, 0, environment);
        await using var first = cluster.Node("without", "worker", address, 0, environment);
        await using var second = cluster.Node("other", "worker", address, 0, environment);
        var (code, output, errors) = await cluster.Submit(address);
        Assert.True(code == 0, output + errors);
        Assert.Equal(expected, cluster.Run.Hash);
        Assert.Contains($"there is no {Here}{source}; a server needs no rows.", cluster.Run.Log, StringComparison.Ordinal);
        Assert.Contains($": there is no {Here}{source}; {(held == "0" ? "the rows of its shards are fetched" : "")}", cluster.Run.Log, StringComparison.Ordinal);
        Assert.Matches($"worker-\\d+-\\d+: {Here}{source} has the SHA-256 [0-9a-f]{{64}} here, and [0-9a-f]{{64}} at the coordinator; ", cluster.Run.Log);
        if (held != "0")
        {
            // Of two on one machine one fetches and the other finds what it has fetched.
            Assert.Matches(@"; \d+ bytes of rows were fetched from the coordinator in \d+\.\d\d s\.", output);
        }
    }

    [Fact]
    public async Task A_worker_that_is_killed_while_it_fetches_is_started_again_and_goes_on()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var cluster = new Folders("rows.csv");
        var expected = await cluster.Quiet();
        (string, string) mapped = ("DTRAIN_HELD_BYTES", "0");
        var crash = new CrashPlan(cluster.Run.In("crashes"), ("node.fetched", 1));
        await using var coordinator = cluster.Node("coordinator", "coordinator,server", null, 0, mapped);
        var address = await Folders.Address(coordinator);
        await using var first = cluster.Node("without", "worker", address, 0, mapped, crash.Environment);
        await using var second = cluster.Node("without", "worker", address, 0, mapped);
        var run = cluster.Submit(address);
        Assert.Equal(137, (await first.End()).ExitCode);
        await using var third = cluster.Node("without", "worker", address, 0, mapped);
        var (code, output, errors) = await run;
        Assert.True(code == 0, output + errors);
        Assert.Empty(crash.Missing);
        Assert.Equal(expected, cluster.Run.Hash);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1000000")]
    public async Task A_coordinator_that_is_killed_while_it_sends_rows_is_started_again_and_the_rest_is_fetched_from_it(string held)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var cluster = new Folders("rows.csv");
        var expected = await cluster.Quiet();
        (string, string) environment = ("DTRAIN_HELD_BYTES", held);
        var crash = new CrashPlan(cluster.Run.In("crashes"), ("coordinator.supplying", 2));
        await using var coordinator = cluster.Node("coordinator", "coordinator", null, 0, environment, crash.Environment);
        var address = await Folders.Address(coordinator);
        await using var server = cluster.Node("without", "server", address, 0, environment);
        var serverAddress = await Folders.Address(server);
        await using var first = cluster.Node("without", "worker", address, 0, environment);
        await using var second = cluster.Node("without", "worker", address, 0, environment);
        var run = cluster.Submit(serverAddress);
        Assert.Equal(137, (await coordinator.End()).ExitCode);
        var port = int.Parse(address.Split(':')[1], CultureInfo.InvariantCulture);
        await using var again = cluster.Node("coordinator", "coordinator", $"{serverAddress},{address}", port, environment);
        var (code, output, errors) = await run;
        Assert.True(code == 0, output + errors);
        Assert.Empty(crash.Missing);
        Assert.Equal(expected, cluster.Run.Hash);
        Assert.Contains("The coordinator began anew", cluster.Run.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_coordinator_without_the_file_says_where_it_looked()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var cluster = new Folders("rows.csv");
        await using var coordinator = cluster.Node("without", "coordinator,server,worker", null, 0);
        var (code, output, errors) = await cluster.Submit(await Folders.Address(coordinator));
        Assert.True(code == 2, output + errors);
        Assert.Contains($"there is no file {Here}rows.csv", errors, StringComparison.Ordinal);
    }

    /// <summary>A working folder for each: with the data, without, and with data of which one byte is another.</summary>
    private sealed class Folders : IDisposable
    {
        private readonly string _source;

        public Folders(string source)
        {
            _source = source;
            foreach (var folder in (string[])["coordinator", "without", "other"])
            {
                Directory.CreateDirectory(Run.In(folder));
                if (folder != "without")
                {
                    Write(Path.Combine(Run.In(folder), source), folder == "other");
                }
            }

            File.WriteAllText(Run.In("far.yaml"), Experiment.Replace("cwd/rows", $"cwd/{source}", StringComparison.Ordinal));
        }

        public RunDirectory Run { get; } = new();

        public static async Task<string> Address(Dtrain node) => (await node.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];

        /// <summary>What the run comes to where all have the file.</summary>
        public async Task<string> Quiet()
        {
            using var quiet = new RunDirectory();
            var (code, output, errors) = await Dtrain.Run(["train", Run.In("far.yaml"), "--in-process", "--run-dir", quiet.Run], Run.In("coordinator"));
            Assert.True(code == 0, output + errors);
            return quiet.Hash;
        }

        public Dtrain Node(string folder, string roles, string? join, int port, params (string, string)[] environment) => Dtrain.Start(
            ["node", "--roles", roles, .. (string[])(join is null ? [] : ["--join", join]), "--port", port.ToString(CultureInfo.InvariantCulture)],
            Run.In(folder),
            [("DTRAIN_CACHE", Run.In($"cache-{folder}")), .. environment]);

        public Task<(int ExitCode, string Output, string Errors)> Submit(string address) =>
            Dtrain.Run(["submit", Run.In("far.yaml"), "--to", address, "--run-dir", Run.Run, "--plain"], Run.In("coordinator"));

        public void Dispose() => Run.Dispose();

        private static void Write(string path, bool other)
        {
            if (path.EndsWith(".csv", StringComparison.Ordinal))
            {
                var text = new StringBuilder("a,b,kind\n");
                for (var i = 0; i < 400; i++)
                {
                    text.Append(CultureInfo.InvariantCulture, $"{i % 17},{i * 7 % 23}.{(other && i == 200 ? 6 : 5)},{(i * 13 % 29 > 14 ? "yes" : "no")}\n");
                }

                File.WriteAllText(path, text.ToString());
                return;
            }

            for (var i = 0; i < 80; i++)
            {
                var folder = Directory.CreateDirectory(Path.Combine(path, i % 2 == 0 ? "dark" : "light")).FullName;
                File.WriteAllBytes(Path.Combine(folder, $"{i}.png"), Png(i, other && i == 40));
            }
        }

        // Grey, 4 by 4.
        private static byte[] Png(int number, bool other)
        {
            using var bitmap = new SkiaSharp.SKBitmap(new SkiaSharp.SKImageInfo(4, 4, SkiaSharp.SKColorType.Rgba8888, SkiaSharp.SKAlphaType.Opaque));
            for (var i = 0; i < 16; i++)
            {
                var grey = (byte)((number * 31 + i * 7) % 100 + (number % 2 * 120) + (other && i == 0 ? 1 : 0));
                bitmap.SetPixel(i % 4, i / 4, new SkiaSharp.SKColor(grey, grey, grey));
            }

            using var stream = new MemoryStream();
            bitmap.Encode(stream, SkiaSharp.SKEncodedImageFormat.Png, 100);
            return stream.ToArray();
        }
    }
}
