using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Strangers at the port where nodes meet.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ControlPortTests : IDisposable
{
    private const int Knocks = 3000;

    private static readonly TestExperiment Experiment = new() { Training = "{ epochs: 2, batch-size: 30, shards: 4 }" };

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<string> _log = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Garbage_at_the_control_port_keeps_no_node_from_registering_and_training()
    {
        await using var coordinator = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, _log.Enqueue, CancellationToken.None);
        Knock(coordinator.Address, new Random(20_260_106));

        // Only now do the nodes come that have to be let in.
        await using var server = await NodeHost.StartAsync(new NodeOptions { Roles = ["server"], Join = coordinator.Address }, null, CancellationToken.None);
        await using var worker = await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address }, null, CancellationToken.None);
        await worker.JoinedAsync(TimeSpan.FromSeconds(60));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        Submissions.Ended? ended = null;
        await foreach (var message in coordinator.Submit(new Submissions.Submit(Experiment.Yaml, "test.yaml", "", Path.Combine(_folder.Path, "run"), EndCluster: false, Resume: false), limit.Token))
        {
            ended = message as Submissions.Ended;
        }

        Assert.NotNull(ended);
        Assert.Null(ended.Failure);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        var expected = ReferenceTrainer.Train(Experiment.Plan());
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(expected.Parameters.AsSpan()))), result.RootElement.GetProperty("parametersSha256").GetString());

        // Told of each sort once in a while: not for each knock, and not with a page of stack trace.
        Assert.InRange(_log.Count, 1, 20);
        Assert.DoesNotContain(_log, static line => line.Contains("\n", StringComparison.Ordinal));
    }

    private static void Knock(string address, Random random)
    {
        var end = IPEndPoint.Parse(address);
        for (var i = 0; i < Knocks; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(i % 2 == 0, 0) };
            socket.Connect(end);
            try
            {
                socket.Send(Garbage(random));
                if (i % 2 != 0)
                {
                    socket.Shutdown(SocketShutdown.Send);
                }
            }
            catch (SocketException)
            {
                // Turned away.
            }
        }
    }

    /// <summary>The control plane's frames are a length of four bytes, then a message.</summary>
    private static byte[] Garbage(Random random)
    {
        var bytes = new byte[random.Next(1, 400)];
        random.NextBytes(bytes);
        switch (random.Next(4))
        {
            case 0:
                return bytes;
            case 1:
                return Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {random.Next()}\r\n\r\n");
            case 2:
                BinaryPrimitives.WriteInt32LittleEndian(bytes.Length < 4 ? bytes = new byte[4] : bytes, bytes.Length - 4);
                return bytes;
            default:
                BinaryPrimitives.WriteInt32LittleEndian(bytes.Length < 4 ? bytes = new byte[4] : bytes, random.Next());
                return bytes;
        }
    }
}
