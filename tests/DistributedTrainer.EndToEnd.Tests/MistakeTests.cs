namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What a user gets wrong: exit code 2, every problem at once, and what to do.</summary>
public sealed class MistakeTests
{
    [Fact]
    public async Task All_problems_of_an_experiment_are_told_at_once()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("bad.yaml"), """
            data: { source: iris, target: kind }
            model:
              layers:
                - linaer: 3
            optimizer: { kind: adam, learning-rate: fast }
            training: { epochs: 0, batchsize: 10 }
            """);
        var (code, output, errors) = await Dtrain.Run(["train", "bad.yaml"], directory.In("."));
        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.Contains("bad.yaml:4:", errors, StringComparison.Ordinal);
        Assert.Contains("linear", errors, StringComparison.Ordinal);
        Assert.Contains("bad.yaml:5: optimizer.learning-rate: 'fast' is not a number", errors, StringComparison.Ordinal);
        Assert.Contains("training.epochs", errors, StringComparison.Ordinal);
        Assert.Contains("batch-size", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a,b,kind\n1,2,x\n3,four,y\n5,6,x\n", "data.csv:3: column b holds 'four'")]
    [InlineData("a,b,kind\n1,2,x\n3,\"4,5\",y\n5,6,x\n", "decimal point")]
    [InlineData("a,b,other\n1,2,x\n3,4,y\n5,6,x\n", "kind")]
    [InlineData("a,b,kind\n1,2,x\n3,4,y\n", "shards")]
    [InlineData("", "data.csv")]
    public async Task Bad_data_is_named_with_file_line_and_column(string csv, string expected)
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("data.csv"), csv);
        await File.WriteAllTextAsync(directory.In("own.yaml"), """
            data: { source: data.csv, target: kind, split: none }
            model:
              layers:
                - linear: 2
            training: { batch-size: 4, shards: 4 }
            """);
        var (code, _, errors) = await Dtrain.Run(["train", directory.In("own.yaml")]);
        Assert.Equal(2, code);
        Assert.Contains(expected, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train nothing.yaml", "nothing.yaml")]
    [InlineData("train --set optimizer.learning-rate=-1", "optimizer.learning-rate")]
    [InlineData("trian", "train")]
    [InlineData("node --roles captain", "captain")]
    [InlineData("node --roles worker", "--join")]
    [InlineData("node --roles worker --join nowhere", "HOST:PORT")]
    [InlineData("node --roles coordinator --config nothing.conf", "nothing.conf")]
    [InlineData("submit", "EXPERIMENT")]
    public async Task A_wrong_command_line_says_what_to_write(string arguments, string expected)
    {
        var (code, output, errors) = await Dtrain.Run(arguments.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains(expected, output + errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cars.csv")]
    [InlineData("pictures")]
    public async Task Data_in_the_place_of_an_experiment_is_told_as_that(string name)
    {
        using var directory = new RunDirectory();
        Directory.CreateDirectory(directory.In("pictures"));
        await File.WriteAllTextAsync(directory.In("cars.csv"), "a,kind\n1,x\n");
        var (code, _, errors) = await Dtrain.Run(["train", name], directory.In("."));
        Assert.Equal(2, code);
        Assert.Contains($"{name} holds data", errors, StringComparison.Ordinal);
        Assert.Contains($"source: {name}", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_folder_of_a_run_in_the_place_of_an_experiment_is_told_as_that()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("experiment.yaml"), "");
        var (code, _, errors) = await Dtrain.Run(["train", directory.In(".")]);
        Assert.Equal(2, code);
        Assert.Contains("dtrain resume", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        var (code, output, errors) = await Dtrain.Run(["node", "--roles", "coordinator", "--port", $"{port}"]);
        Assert.True(code == 2, output + errors);
        Assert.Contains($"127.0.0.1:{port} cannot be listened at", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Submitting_where_nobody_listens_says_so()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("iris.yaml"), "data: { source: iris }\nmodel: { layers: [ linear: 3 ] }\n");
        var (code, _, errors) = await Dtrain.Run(["submit", directory.In("iris.yaml"), "--to", "127.0.0.1:1"]);
        Assert.Equal(1, code);
        Assert.Contains("127.0.0.1:1", errors, StringComparison.Ordinal);
    }
}
