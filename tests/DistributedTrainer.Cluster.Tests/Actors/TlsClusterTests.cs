using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A cluster that is closed to strangers: both planes are encrypted, and it trains to the same bits.</summary>
[Collection(ClusterCollection.Name)]
public sealed class TlsClusterTests : IDisposable
{
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 16", "batch-norm", "relu", "linear: 3"],
        Split = "{ validation: 0.1, test: 0.1 }",
        Training = "{ epochs: 3, batch-size: 32, shards: 4 }",
        Partitions = 2,
        Workers = 2,
    };

    private readonly TestAuthority _authority = new("ours");
    private readonly TestAuthority _other = new("theirs");
    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<string> _log = new();

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Strangers_at_the_control_port_are_told_of_once_and_the_cluster_trains_to_the_same_bits()
    {
        await using var coordinator = await Start("coordinator", null, _log.Enqueue);
        var port = int.Parse(coordinator.Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        for (var i = 0; i < 5; i++)
        {
            await Knock(port, "GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await Handshake(port, _other.Loose());
            await Handshake(port, null);
            using var silent = new TcpClient("127.0.0.1", port);
        }

        await using var server = await Start("server", coordinator.Address, _log.Enqueue);

        // Elsewhere, as far as it knows: its gradients go over the network.
        await using var worker = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["worker"], Workers = 2, Join = coordinator.Address, Certificates = _authority.Node() }, _log.Enqueue, CancellationToken.None);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        Submissions.Ended? ended = null;
        await foreach (var message in coordinator.Submit(new Submissions.Submit(Experiment.Yaml, "test.yaml", "", Path.Combine(_folder.Path, "run"), EndCluster: false, Resume: false), limit.Token))
        {
            ended = message as Submissions.Ended;
        }

        Assert.Null(ended!.Failure);
        using var result = JsonDocument.Parse(ended.ResultJson!);
        var alone = ReferenceTrainer.Train(Experiment.Plan());
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData([.. MemoryMarshal.AsBytes(alone.Parameters.AsSpan()), .. MemoryMarshal.AsBytes(alone.Buffers.AsSpan())])),
            result.RootElement.GetProperty("parametersSha256").GetString());
        var line = Assert.Single(_log, static line => line.Contains("tls:", StringComparison.Ordinal));
        Assert.Matches("^warning: tls: it speaks no TLS, and this node speaks nothing else. .* \\(control plane, 127.0.0.1:[0-9]+\\)$", line);
        Assert.DoesNotContain(_log, static line => line.Contains('\n', StringComparison.Ordinal));
    }

    /// <summary>Akka.NET's own transport would end the node that opens such a connection, and the run with it.</summary>
    [Theory]
    [InlineData("plain", "it speaks no TLS")]
    [InlineData("theirs", "(issued by CN=theirs) is not from this cluster's authority (CN=ours)")]
    [InlineData("elsewhere", "is not for 127.0.0.1, but for elsewhere.example")]
    public async Task A_stranger_at_the_address_of_a_node_is_not_reached_and_ends_nobody(string who, string why)
    {
        await using var coordinator = await Start("coordinator", null, null);
        using var stranger = new TcpListener(IPAddress.Loopback, 0);
        stranger.Start();
        using var certificate = who == "theirs" ? _other.Loose() : _authority.Loose(null, null, "elsewhere.example");
        using var end = new CancellationTokenSource();
        var met = new TaskCompletionSource();
        var answering = Answer(stranger, who == "plain" ? null : certificate, () => met.TrySetResult(), end.Token);

        await using var worker = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["worker"], Join = $"{stranger.LocalEndpoint},{coordinator.Address}", Certificates = _authority.Node() }, _log.Enqueue, CancellationToken.None);
        await met.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await worker.JoinedAsync(TimeSpan.FromSeconds(60));
        Assert.False(worker.Completion.IsCompleted);
        var line = Assert.Single(_log, line => line.Contains("tls:", StringComparison.Ordinal));
        Assert.Contains(why, line);
        Assert.Contains(stranger.LocalEndpoint.ToString()!, line);
        await end.CancelAsync();
        await answering;
    }

    [Fact]
    public async Task A_node_of_another_authority_and_one_without_TLS_are_not_let_in()
    {
        var heard = new ConcurrentQueue<string>();
        await using var coordinator = await Start("coordinator", null, _log.Enqueue);
        await using (await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address, Host = "127.0.0.2", Bind = "0.0.0.0" }, null, CancellationToken.None))
        await using (await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address, Certificates = _other.Node() }, heard.Enqueue, CancellationToken.None))
        {
            Assert.True(SpinWait.SpinUntil(() => !_log.IsEmpty && !heard.IsEmpty, TimeSpan.FromSeconds(60)), "nobody was told");
        }

        Assert.Contains("(issued by CN=ours) is not from this cluster's authority (CN=theirs)", Assert.Single(heard, static line => line.Contains("tls:", StringComparison.Ordinal)));
        await using var friend = await Start("worker", coordinator.Address, null);
        await friend.JoinedAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(2, Akka.Cluster.Cluster.Get(coordinator.Actors).State.Members.Count);
    }

    [Fact]
    public async Task An_open_node_says_that_a_peer_speaks_TLS_and_so_does_the_peer_that_it_is_not_understood()
    {
        var heard = new ConcurrentQueue<string>();
        await using var coordinator = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, _log.Enqueue, CancellationToken.None);
        await using (await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address, Certificates = _authority.Node() }, heard.Enqueue, CancellationToken.None))
        {
            Assert.True(
                SpinWait.SpinUntil(
                    () => _log.Any(static line => line.Contains("the peer speaks TLS, and this node does not. Start both with --tls, or neither", StringComparison.Ordinal))
                        && heard.Any(static line => line.Contains("the peer closed the connection within the handshake: it speaks no TLS, or", StringComparison.Ordinal)),
                    TimeSpan.FromSeconds(60)),
                $"heard: {string.Join('\n', _log.Concat(heard))}");
        }

        Assert.DoesNotContain(_log.Concat(heard), static line => line.Contains('\n', StringComparison.Ordinal));
    }

    [Fact]
    public async Task Whoever_asks_an_open_node_whether_it_speaks_TLS_leaves_no_line_in_its_log()
    {
        await using var coordinator = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, _log.Enqueue, CancellationToken.None);
        using var end = new CancellationTokenSource();
        var asked = TlsProbe.SpeaksTlsAsync("127.0.0.1", int.Parse(coordinator.Address.Split(':')[1], CultureInfo.InvariantCulture), end.Token);
        await using (var worker = await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address }, null, CancellationToken.None))
        {
            await worker.JoinedAsync(TimeSpan.FromSeconds(60));
        }

        Assert.False(asked.IsCompleted);
        await end.CancelAsync();
        Assert.False(await asked);
        Assert.DoesNotContain(_log, static line => line.Contains("TLS", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_open_node_says_in_one_line_that_the_cluster_that_it_looks_for_is_encrypted()
    {
        var heard = new ConcurrentQueue<string>();
        await using var coordinator = await Start("coordinator", null, null);
        await using (await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address.Replace("localhost", "127.0.0.1", StringComparison.Ordinal) }, heard.Enqueue, CancellationToken.None))
        {
            // It has tried a second time, and said nothing else.
            Assert.True(SpinWait.SpinUntil(() => heard.Any(static line => line.Contains("Couldn't join seed nodes after [2] attempts", StringComparison.Ordinal)), TimeSpan.FromSeconds(60)), string.Join('\n', heard));
        }

        var port = coordinator.Address.Split(':')[1];
        Assert.Equal($"The cluster at 127.0.0.1:{port} is encrypted: --tls (or DTRAIN_TLS) is needed here too, with a certificate of its authority.", heard.First().Split("warning: ")[^1]);
        Assert.DoesNotContain(heard, static line => line.Contains("ssociat", StringComparison.Ordinal));
    }

    private Task<NodeHost> Start(string role, string? join, Action<string>? log) =>
        NodeHost.StartAsync(new NodeOptions { Roles = [role], Join = join, Host = "localhost", Bind = "0.0.0.0", Certificates = _authority.Node() }, log, CancellationToken.None);

    private static async Task Knock(int port, byte[] bytes)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await client.GetStream().WriteAsync(bytes);

        // Until it is turned away.
        await Closed(client.GetStream());
    }

    private static async Task Handshake(int port, X509Certificate2? own)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = own is null ? null : [own],
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
        });
        await Closed(tls);
        own?.Dispose();
    }

    private static async Task Closed(Stream stream)
    {
        try
        {
            var bytes = new byte[1000];
            while (await stream.ReadAsync(bytes).AsTask().WaitAsync(TimeSpan.FromSeconds(60)) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset, since what it said was not read.
        }
    }

    /// <summary>A stranger where a node is looked for: it answers in plain, or with a certificate.</summary>
    private static async Task Answer(TcpListener listener, X509Certificate2? certificate, Action met, CancellationToken end)
    {
        while (true)
        {
            try
            {
                using var client = await listener.AcceptTcpClientAsync(end);
                if (certificate is null)
                {
                    await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), end);
                    await Closed(client.GetStream());
                }
                else
                {
                    await using var tls = new SslStream(client.GetStream());
                    await tls.AuthenticateAsServerAsync(certificate);
                    await Closed(tls);
                }

                met();
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
            {
                met();
            }
        }
    }
}
