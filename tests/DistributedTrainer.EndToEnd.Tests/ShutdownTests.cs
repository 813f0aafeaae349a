using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Nodes of each role that are told to end in the middle of a run, as by docker stop; and what whoever watches sees until then.</summary>
public sealed class ShutdownTests
{
    private const string Long = """
        name: long
        data: { source: iris }
        model:
          layers:
            - linear: 16
            - relu
            - linear: 3
        training: { steps: 100000000, batch-size: 16, shards: 4 }
        """;

    [Fact]
    public async Task Each_role_ends_in_good_order_in_the_middle_of_a_run()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("long.yaml"), Long);
        var port = FreePort();
        await using var coordinator = Dtrain.Start(
            ["node", "--roles", "coordinator", "--runs", directory.In("runs"), "--health-port", $"{port}", "--metrics-port", $"{port}"], null, ("DTRAIN_EXPERIMENT", directory.In("long.yaml")));
        var address = (await coordinator.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];
        await using var server = Dtrain.Start(["node", "--roles", "server", "--join", address, "--log-format", "json"]);
        await using var first = Dtrain.Start(["node", "--roles", "worker", "--join", address]);
        await using var second = Dtrain.Start(["node", "--roles", "worker", "--join", address]);
        var folder = (await coordinator.Line(static line => line.StartsWith("Run folder: ", StringComparison.Ordinal)))["Run folder: ".Length..];
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        await Until(async () => Number(await client.GetStringAsync("/metrics"), "dtrain_run_step") > 100);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health/ready")).StatusCode);

        // The others are trained with on.
        await Ends(first);

        // Of its partitions a checkpoint is written first; then training waits for another server.
        await Ends(server, json: true);
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(folder, "checkpoints"), "manifest.json", SearchOption.AllDirectories));
        await Ends(coordinator);
        await Ends(second);
        var log = await File.ReadAllTextAsync(Path.Combine(folder, "log.txt"));
        Assert.DoesNotContain("is dead", log, StringComparison.Ordinal);

        // Who was not told to use them has not loaded them.
        static async Task Ends(Dtrain node, bool json = false)
        {
            var maps = OperatingSystem.IsLinux() && json ? await File.ReadAllTextAsync($"/proc/{node.Id}/maps") : "";
            Assert.DoesNotContain("OpenTelemetry", maps, StringComparison.Ordinal);
            node.Signal("TERM");
            var (code, output, errors) = await node.End();
            Assert.True(code == 0, output + errors);
            if (!json)
            {
                Assert.EndsWith("ends: terminated\n", output, StringComparison.Ordinal);
                return;
            }

            Assert.Equal("", output);
            var events = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement).ToArray();
            Assert.Equal("server", events[0].GetProperty("role").GetString());
            Assert.EndsWith("ends: terminated", events[^1].GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    private static double Number(string metrics, string name) =>
        metrics.Split('\n').FirstOrDefault(line => line.StartsWith(name + "{", StringComparison.Ordinal)) is { } line
            ? double.Parse(line[(line.LastIndexOf('}') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], System.Globalization.CultureInfo.InvariantCulture)
            : 0;

    private static async Task Until(Func<Task<bool>> reached)
    {
        using var limit = new CancellationTokenSource(Dtrain.Limit);
        while (!await reached())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token);
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
