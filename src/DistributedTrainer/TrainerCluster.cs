using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;

namespace DistributedTrainer;

/// <summary>The node of this process, for one run.</summary>
internal sealed class TrainerCluster : IAsyncDisposable
{
    private static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(15);

    private TrainerCluster(NodeHost node) => Node = node;

    public NodeHost Node { get; }

    /// <summary>Everything as threads of this process.</summary>
    public static async Task<TrainerCluster> StartAsync(int workers, CancellationToken cancel)
    {
        NodeHost? node = null;
        node = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = workers },
            text => Volatile.Read(ref node)?.Tell(new Submissions.LogLine("trainer", text)),
            cancel).ConfigureAwait(false);
        return new TrainerCluster(node);
    }

    /// <summary>A node without a role, in a cluster that is there.</summary>
    /// <exception cref="TrainingFailedException">Nobody answers.</exception>
    /// <exception cref="ArgumentException">The address cannot be used.</exception>
    public static async Task<TrainerCluster> JoinAsync(string address, string? host, NodeCertificates? certificates, CancellationToken cancel)
    {
        var options = new NodeOptions { Roles = [], Join = address, Host = host ?? LocalAddress.Towards(address), Certificates = certificates };
        var node = await NodeHost.StartAsync(options, null, cancel).ConfigureAwait(false);
        try
        {
            await node.JoinedAsync(JoinLimit).WaitAsync(cancel).ConfigureAwait(false);
            return new TrainerCluster(node);
        }
        catch (Exception problem)
        {
            await node.DisposeAsync().ConfigureAwait(false);
            if (problem is TimeoutException)
            {
                throw new TrainingFailedException($"No cluster answers at {address}. Give the host:port that one of its nodes printed when it started, and the same certificates, if it has any.", null, problem);
            }

            throw;
        }
    }

    public ValueTask DisposeAsync() => Node.DisposeAsync();
}
