namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>A cluster of nodes that were started one by one, and experiments that are handed to it.</summary>
public sealed class ClusterTests
{
    private const string Iris = """
        name: iris
        data: { source: iris, preprocess: [ standardize ] }
        model:
          layers:
            - linear: 16
            - batch-norm
            - tanh
            - linear: 3
        optimizer: { kind: momentum, learning-rate: 0.05 }
        training: { epochs: 20, batch-size: 16, shards: 4 }
        """;

    [Fact]
    public async Task A_cluster_trains_what_is_submitted_one_after_the_other_and_a_worker_may_join_and_leave()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("iris.yaml"), Iris);
        await using var coordinator = Dtrain.Start(["node", "--roles", "coordinator,server"]);
        var address = (await coordinator.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];
        await using var first = Dtrain.Start(["node", "--roles", "worker", "--join", address]);
        await using var second = Dtrain.Start(["node", "--roles", "worker", "--workers", "2", "--join", address]);

        var hashes = new List<string>();
        foreach (var run in (string[])["a", "b"])
        {
            var (code, output, errors) = await Dtrain.Run(["submit", directory.In("iris.yaml"), "--to", address, "--run-dir", directory.In(run), "--json"]);
            Assert.True(code == 0, output + errors);
            hashes.Add(System.Text.Json.JsonDocument.Parse(output).RootElement.GetProperty("parametersSha256").GetString()!);
        }

        first.Signal("TERM");
        Assert.Equal(0, (await first.End()).ExitCode);
        var (third, thirdOutput, thirdErrors) = await Dtrain.Run(["submit", directory.In("iris.yaml"), "--to", address, "--run-dir", directory.In("c"), "--json"]);
        Assert.True(third == 0, thirdOutput + thirdErrors);
        hashes.Add(System.Text.Json.JsonDocument.Parse(thirdOutput).RootElement.GetProperty("parametersSha256").GetString()!);
        Assert.Single(hashes.Distinct());

        foreach (var node in (Dtrain[])[second, coordinator])
        {
            node.Signal("TERM");
            Assert.Equal(0, (await node.End()).ExitCode);
        }
    }

    [Fact]
    public async Task Whoever_shows_a_run_says_that_its_coordinator_is_gone_and_ends_when_told_to()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("iris.yaml"), Iris.Replace("epochs: 20", "epochs: 1000000", StringComparison.Ordinal));
        await using var coordinator = Dtrain.Start(["node", "--roles", "coordinator"]);
        var address = (await coordinator.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];
        await using var server = Dtrain.Start(["node", "--roles", "server", "--join", address]);
        await using var worker = Dtrain.Start(["node", "--roles", "worker", "--workers", "2", "--join", address]);
        await using var submit = Dtrain.Start(["submit", directory.In("iris.yaml"), "--to", address, "--run-dir", directory.Run]);
        await submit.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        coordinator.Signal("KILL");
        await submit.Line(static line => line.StartsWith("Nothing has been heard of the coordinator for 1", StringComparison.Ordinal));
        submit.Signal("TERM");
        Assert.Equal(143, (await submit.End()).ExitCode);
    }

    [Fact]
    public async Task A_cluster_that_ended_as_a_whole_goes_on_by_itself_and_does_not_begin_again()
    {
        using var directory = new RunDirectory();
        var experiment = directory.In("iris.yaml");
        await File.WriteAllTextAsync(experiment, Iris.Replace("epochs: 20", "epochs: 60", StringComparison.Ordinal) + "\ncheckpoint: { every-steps: 50 }");
        var (code, output, errors) = await Dtrain.Run(["train", experiment, "--in-process", "--json", "--run-dir", directory.Run]);
        Assert.True(code == 0, output + errors);

        // The coordinator dies in mid-run, when its first checkpoint has just been written; and then the others.
        var cluster = await Start(new CrashPlan(directory.In("crash"), ("coordinator.manifest", 1)).Environment);
        var (_, said, _) = await cluster[0].End();
        Assert.Contains("The first experiment begins", said, StringComparison.Ordinal);
        await cluster[0].DisposeAsync();
        await End(cluster[1..], "KILL");
        var run = Assert.Single(Directory.GetDirectories(directory.In("runs")));
        Assert.False(File.Exists(Path.Combine(run, "result.json")));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(run, "checkpoints"), "manifest.json", SearchOption.AllDirectories));

        cluster = await Start();
        await cluster[0].Line(static line => line.EndsWith("was interrupted, and goes on.", StringComparison.Ordinal));
        await cluster[0].Line(static line => line.StartsWith("Going on from the checkpoint of step ", StringComparison.Ordinal));
        await cluster[0].Line(static line => line.EndsWith(": done", StringComparison.Ordinal));
        await End(cluster, "KILL");
        Assert.Equal(directory.Hash, System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "result.json"))).RootElement.GetProperty("parametersSha256").GetString());

        cluster = await Start();
        await cluster[0].Line(static line => line.Contains("waits for experiments", StringComparison.Ordinal));
        await End(cluster, "TERM");

        async Task<Dtrain[]> Start(params (string Name, string Value)[] more)
        {
            var coordinator = Dtrain.Start(["node"], null, [("DTRAIN_ROLES", "coordinator"), ("DTRAIN_RUNS", directory.In("runs")), ("DTRAIN_EXPERIMENT", experiment), .. more]);
            var address = (await coordinator.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];
            return [coordinator, Dtrain.Start(["node", "--roles", "server"], null, ("DTRAIN_JOIN", address)), Dtrain.Start(["node", "--roles", "worker"], null, ("DTRAIN_JOIN", address))];
        }

        static async Task End(Dtrain[] nodes, string signal)
        {
            foreach (var node in nodes)
            {
                node.Signal(signal);
                await node.End();
                await node.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task Wrong_settings_of_the_environment_are_all_named_before_anything_starts()
    {
        var (code, _, errors) = await Dtrain.Run(["node"], null, ("DTRAIN_ROLES", "worker"), ("DTRAIN_PORT", "many"), ("DTRAIN_JOIN", "nowhere"), ("DTRAIN_JION", "x"));
        Assert.Equal(2, code);
        Assert.Contains("DTRAIN_PORT: 'many' is not right. Write a port from 0 to 65535.", errors, StringComparison.Ordinal);
        Assert.Contains("DTRAIN_JOIN: 'nowhere' is not right.", errors, StringComparison.Ordinal);
        Assert.Contains("DTRAIN_JION in the environment means nothing here.", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_experiment_that_fits_no_data_of_the_cluster_is_rejected_with_the_reason()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("iris.yaml"), Iris.Replace("linear: 3", "linear: 4", StringComparison.Ordinal));
        var (code, _, errors) = await Dtrain.Run(["submit", directory.In("iris.yaml"), "--to", "127.0.0.1:1"]);
        Assert.Equal(2, code);
        Assert.Contains("linear: 3", errors, StringComparison.Ordinal);
    }
}
