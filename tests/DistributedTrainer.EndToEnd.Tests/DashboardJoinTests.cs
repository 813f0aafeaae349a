namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The page of a cluster elsewhere: real processes, and nothing of the run's folder but what the coordinator sends.</summary>
public sealed class DashboardJoinTests
{
    [Fact]
    public async Task A_run_elsewhere_is_shown_while_it_goes_on_also_when_its_coordinator_is_started_again_and_at_its_end()
    {
        using var there = new RunDirectory();
        using var here = new RunDirectory();
        Directory.CreateDirectory(here.In("runs"));
        Directory.CreateDirectory(here.In("temporary"));
        string[] node = ["node", "--runs", there.In("runs"), "--roles"];
        await using var first = Dtrain.Start([.. node, "coordinator"]);
        var address = await AddressOf(first);
        await using var server = Dtrain.Start([.. node, "server", "--join", address]);
        await using var worker = Dtrain.Start([.. node, "worker", "--join", address]);
        var other = await AddressOf(server);
        var file = there.In("digits.yaml");
        await File.WriteAllTextAsync(file, "name: digits\ndata: { source: digits }\nmodel: { layers: [ linear: 64, relu, linear: 10 ] }\ntraining: { epochs: 1000000 }\n");
        await using var submit = Dtrain.Start(["submit", file, "--to", address, "--plain"]);
        var said = await submit.Line(static line => line.StartsWith("Run folder: ", StringComparison.Ordinal));
        var run = Path.GetFileName(said["Run folder: ".Length..]);

        await using var dashboard = Dtrain.Start(["dashboard", "--join", $"{address},{other}", "--port", "0"], here.In("runs"), ("TMPDIR", here.In("temporary")));
        var page = new Uri((await dashboard.Line(static line => line.StartsWith("Dashboard: ", StringComparison.Ordinal))).Split(' ')[1]);
        using var client = new HttpClient { BaseAddress = page, Timeout = Dtrain.Limit };
        await Told(client, "/api/events", $"\"id\":\"{run}\",\"state\":\"running\"");
        await Told(client, $"/api/events?run={run}", "\"metrics\":{");

        Dtrain.Signal(first.Id, "KILL");
        await first.End();
        await using var second = Dtrain.Start([.. node, "coordinator", "--port", address.Split(':')[1], "--join", $"{address},{other}"]);
        await AddressOf(second);

        // Only who has the run can stop it.
        await submit.Line(static line => line.StartsWith("Going on at step", StringComparison.Ordinal));
        submit.Signal("INT");
        Assert.Equal(1, (await submit.End()).ExitCode);
        await Told(client, $"/api/events?run={run}", "\"state\":\"ended\"");

        Assert.NotEmpty(Directory.GetDirectories(here.In("temporary"), "dtrain-dashboard-*"));
        dashboard.Signal("INT");
        Assert.Equal(0, (await dashboard.End()).ExitCode);
        Assert.Empty(Directory.GetDirectories(here.In("temporary"), "dtrain-dashboard-*"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(here.In("runs")));
    }

    [Theory]
    [InlineData(2, "Remove one of them.", "runs", "--join", "127.0.0.1:1")]
    [InlineData(2, "is no address. Write HOST:PORT", "--join", "nowhere")]
    [InlineData(1, "No cluster answers at 127.0.0.1:1. Give --join the HOST:PORT", "--join", "127.0.0.1:1")]
    public async Task A_cluster_that_is_not_reached_is_named(int code, string problem, params string[] arguments)
    {
        var (ended, _, errors) = await Dtrain.Run(["dashboard", "--port", "0", .. arguments]);
        Assert.True(ended == code && errors.Contains(problem, StringComparison.Ordinal), $"{ended}: {errors}");
    }

    private static async Task<string> AddressOf(Dtrain node) =>
        (await node.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];

    /// <summary>Ends when a stream of events has told something.</summary>
    private static async Task Told(HttpClient client, string path, string awaited)
    {
        using var limit = new CancellationTokenSource(Dtrain.Limit);
        using var reader = new StreamReader(await client.GetStreamAsync(path, limit.Token));
        while (!(await reader.ReadLineAsync(limit.Token) ?? throw new EndOfStreamException($"{path} ended before {awaited}")).Contains(awaited, StringComparison.Ordinal))
        {
        }
    }
}
