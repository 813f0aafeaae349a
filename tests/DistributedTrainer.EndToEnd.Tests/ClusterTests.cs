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
    public async Task An_experiment_that_fits_no_data_of_the_cluster_is_rejected_with_the_reason()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("iris.yaml"), Iris.Replace("linear: 3", "linear: 4", StringComparison.Ordinal));
        var (code, _, errors) = await Dtrain.Run(["submit", directory.In("iris.yaml"), "--to", "127.0.0.1:1"]);
        Assert.Equal(2, code);
        Assert.Contains("linear: 3", errors, StringComparison.Ordinal);
    }
}
