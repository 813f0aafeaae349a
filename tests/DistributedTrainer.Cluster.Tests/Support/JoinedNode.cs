using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>A node of a cluster, as the command makes one.</summary>
internal static class JoinedNode
{
    /// <summary>Starts one, and anew where it is not let in, until it is.</summary>
    public static async Task<NodeHost> StartAsync(NodeOptions options)
    {
        var node = await NodeHost.StartAsync(options, null, CancellationToken.None);
        while (await Task.WhenAny(node.JoinedAsync(TimeSpan.FromMinutes(5)), node.Completion) == node.Completion)
        {
            node = await NodeHost.StartAsync(node.Return!, null, CancellationToken.None);
        }

        return node;
    }
}
