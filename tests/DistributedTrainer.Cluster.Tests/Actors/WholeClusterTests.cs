using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>
/// Nodes as a user starts them. Here messages are serialized between actor systems only: what Akka.NET sends within one
/// is refused by the project's strict settings; that all messages of the protocol survive is shown by the other suites.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class WholeClusterTests : IDisposable
{
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 16", "batch-norm", "relu", "dropout: 0.1", "linear: 3"],
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 3, batch-size: 32, shards: 4 }",
        Partitions = 2,
    };

    private static readonly string Expected = Hash(ReferenceTrainer.Train(Experiment.Plan()));
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Workers_of_one_process_reach_the_bits_of_one_thread(int workers)
    {
        await using var host = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = workers }, null, CancellationToken.None);

        // The second run must find nothing of the first.
        foreach (var run in (string[])["first", "second"])
        {
            await Train(host, workers, run);
        }
    }

    [Fact]
    public async Task Nodes_that_talk_over_the_network_reach_the_bits_of_one_thread()
    {
        await using var coordinator = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, null, CancellationToken.None);
        await using var server = await NodeHost.StartAsync(new NodeOptions { Roles = ["server"], Join = coordinator.Address }, null, CancellationToken.None);
        await using var worker = await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Workers = 2, Join = coordinator.Address }, null, CancellationToken.None);
        await Train(coordinator, 2, "wire");
    }

    [Fact]
    public async Task Nodes_may_be_known_by_a_name_and_listen_on_every_address()
    {
        static NodeOptions Named(string role, string? join) => new() { Roles = [role], Join = join, Host = "localhost", Bind = "0.0.0.0" };
        await using var coordinator = await NodeHost.StartAsync(Named("coordinator", null), null, CancellationToken.None);
        Assert.StartsWith("localhost:", coordinator.Address, StringComparison.Ordinal);
        await using var server = await NodeHost.StartAsync(Named("server", coordinator.Address), null, CancellationToken.None);

        // Elsewhere, as far as it knows: it goes over the network.
        await using var worker = await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Workers = 2, Join = coordinator.Address }, null, CancellationToken.None);
        await Train(coordinator, 2, "named");
    }

    private static string Hash(TrainedModel model) =>
        Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(model.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(model.Buffers.AsSpan())]));

    private async Task Train(NodeHost host, int workers, string run)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var submission = new Submissions.Submit((Experiment with { Workers = workers }).Yaml, "test.yaml", "", Path.Combine(_folder.Path, run), EndCluster: false, Resume: false);
        var heard = new List<IProtocolMessage>();
        await foreach (var message in host.Submit(submission, limit.Token))
        {
            heard.Add(message);
        }

        Assert.IsType<Submissions.Accepted>(heard[0]);
        var ended = Assert.IsType<Submissions.Ended>(heard[^1]);
        Assert.Null(ended.Failure);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        Assert.Equal(Expected, result.RootElement.GetProperty("parametersSha256").GetString());
        Assert.Equal(12, result.RootElement.GetProperty("steps").GetInt32());
        Assert.InRange(result.RootElement.GetProperty("metrics").GetProperty("testAccuracy").GetDouble(), 0.5, 1);
    }
}
