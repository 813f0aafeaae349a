using System.Collections.Concurrent;
using System.Diagnostics;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>
/// What a node can say of itself: who it is, which run and generation it is in, and the workers and partitions whose own
/// counters its metrics are read from. Nothing is counted here: whoever asks reads what is counted anyway.
/// </summary>
/// <param name="node">Its name.</param>
/// <param name="roles">Its roles.</param>
internal sealed class NodeFigures(NodeId node, IReadOnlyList<string> roles)
{
    private volatile string? _run;
    private volatile RunFigures? _coordinated;
    private long _generation;

    /// <summary>For a node of tests.</summary>
    public static NodeFigures Nobody => new(new NodeId("nobody"), []);

    /// <summary>What takes long enough to be traced: runs, recoveries, checkpoints. Costs nothing as long as nobody listens.</summary>
    public static ActivitySource Traces { get; } = new(TelemetrySource.Name);

    public NodeId Node => node;

    public IReadOnlyList<string> Roles => roles;

    public NodeClock Clock { get; } = new();

    /// <summary>Workers by their names.</summary>
    public ConcurrentDictionary<string, StepLoop> Workers { get; } = [];

    /// <summary>Partitions by their numbers.</summary>
    public ConcurrentDictionary<int, Partition> Partitions { get; } = [];

    /// <summary>Members of the cluster by role; empty: it is not known.</summary>
    public Func<IEnumerable<KeyValuePair<string, int>>> Members { get; set; } = static () => [];

    /// <summary>The run as the coordinator here sees it; null: there is none, or the coordinator is elsewhere.</summary>
    public RunFigures? Coordinated
    {
        get => _coordinated;
        set => _coordinated = value;
    }

    /// <summary>The run that this node takes part in; null: none.</summary>
    public string? Run => _coordinated?.Run ?? _run;

    /// <summary>The newest generation that was heard of here; 0: none.</summary>
    public long Generation => Math.Max(_coordinated?.Generation ?? 0, Volatile.Read(ref _generation));

    /// <summary>The newest version here; −1: none.</summary>
    public long Step => Math.Max(
        _coordinated?.Step ?? -1,
        Math.Max(Workers.Values.Select(static loop => loop.Version).DefaultIfEmpty(-1).Max(), Partitions.Values.Select(static partition => partition.Version).DefaultIfEmpty(-1).Max()));

    /// <summary>What the node has heard.</summary>
    public void Note(RunId? run, Generation generation)
    {
        _run = run?.Value;
        Volatile.Write(ref _generation, generation.Value);
    }
}
