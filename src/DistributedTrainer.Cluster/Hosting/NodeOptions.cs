using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Coordination;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>What one process of the cluster is.</summary>
public sealed record NodeOptions
{
    /// <summary>Any of coordinator, server, worker.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>The address that other nodes reach this one under.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>
    /// The address that the node listens on, such as 0.0.0.0 where the one that others use is a name or is translated on the
    /// way; null: that one.
    /// </summary>
    public string? Bind { get; init; }

    /// <summary>Port of the control plane; 0: chosen by the system.</summary>
    public int Port { get; init; }

    /// <summary>
    /// host:port of one or more nodes of the cluster to join, with commas between them; null: found a new cluster (needs the
    /// coordinator role). With its own address among them the node founds a cluster where none of the others answers: so a
    /// coordinator that is started again finds the cluster that it left.
    /// </summary>
    public string? Join { get; init; }

    /// <summary>Whether it was taken out of the cluster before, and comes back.</summary>
    public bool CameBack { get; init; }

    /// <summary>
    /// How long others may be connected with it and not let it in, before it begins anew; each time it does so twice as long.
    /// </summary>
    public TimeSpan JoinLimit { get; init; } = FirstJoinLimit;

    /// <summary>Unless others are slower: they answer within a second or two.</summary>
    public static readonly TimeSpan FirstJoinLimit = TimeSpan.FromSeconds(15);

    /// <summary>Worker actors of this node, where it has the worker role.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Threads of each of its workers, which have the parameters in common; 1 to <see cref="MostThreads"/>.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>As many threads as a worker may have.</summary>
    public const int MostThreads = 1024;

    /// <summary>Rows that are sent to this node are held in memory up to so many bytes; null: as the environment's DTRAIN_HELD_BYTES says.</summary>
    internal long? HeldBytes { get; init; }

    /// <summary>A HOCON file whose settings override those built in; null: none.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>
    /// With these both planes are encrypted, and only who has a certificate of the same authority is let in. Null: whoever
    /// reaches a port is heard.
    /// </summary>
    public NodeCertificates? Certificates { get; init; }

    /// <summary>The folder of a coordinator for runs that name none.</summary>
    public string Runs { get; init; } = "runs";

    /// <summary>Where what the node tells goes, with its run, generation and step; null: to whoever starts it, as lines.</summary>
    public ILoggerFactory? Logging { get; init; }

    /// <summary>What a coordinator does by itself; null: it waits for experiments.</summary>
    public StandingOrders? Orders { get; init; }
}
