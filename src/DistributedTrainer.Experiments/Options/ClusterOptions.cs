namespace DistributedTrainer.Experiments;

/// <summary>The section <c>cluster</c>. Nothing here changes the result of a run.</summary>
public sealed record ClusterOptions
{
    /// <summary>Worker actors, at least 1; those beyond the number of shards stand by.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>Server nodes, at least 1 and at most <see cref="Partitions"/>.</summary>
    public int Servers { get; init; } = 1;

    /// <summary>Parts of the flat vector, at least 1.</summary>
    public int Partitions { get; init; } = 2;

    /// <summary>With fewer workers than this, training pauses; at least 1, at most <see cref="Workers"/>.</summary>
    public int MinimumWorkers { get; init; } = 1;

    /// <summary>How often a dead process is launched again; 0: never.</summary>
    public int MaxRestarts { get; init; } = 3;

    /// <summary>What carries gradients and parameters.</summary>
    public TransportKind Transport { get; init; } = TransportKind.Auto;

    /// <summary>Whether gradients and parameters are under way while a step is computed.</summary>
    public OverlapKind Overlap { get; init; } = OverlapKind.Auto;

    /// <summary>Whether shards move to faster workers.</summary>
    public PlacementKind Placement { get; init; } = PlacementKind.BySpeed;

    /// <summary>Of which steps it is recorded what they are spent on.</summary>
    public TimelineKind Timeline { get; init; } = TimelineKind.Sampled;
}

/// <summary>Of which steps it is recorded what they are spent on, for <c>dtrain timeline</c>.</summary>
public enum TimelineKind
{
    /// <summary>The first, the last, windows between them, and what follows a change of the assignment: some 1,100 steps, 16 MiB at most.</summary>
    Sampled,

    /// <summary>All, up to 256 MiB.</summary>
    All,

    /// <summary>None.</summary>
    Off,
}

/// <summary>Which worker computes which shards.</summary>
public enum PlacementKind
{
    /// <summary>Each as many as it computes in the time of the others; they move when a worker is found to be slow, or fast again.</summary>
    BySpeed,

    /// <summary>Each as many as the others, however slow it is; they move when workers come and go.</summary>
    Even,
}

/// <summary>Whether gradients and parameters are under way while a step is computed, partition by partition.</summary>
public enum OverlapKind
{
    /// <summary>Between hosts, from 250,000 parameters on; within a host that has a free core, from a million on.</summary>
    Auto,

    /// <summary>Everywhere.</summary>
    Always,

    /// <summary>A step begins when all of its parameters are there, and its gradients leave when all are done.</summary>
    Never,
}

/// <summary>What carries gradients and parameters.</summary>
public enum TransportKind
{
    /// <summary>The fastest that reaches the other side.</summary>
    Auto,

    /// <summary>References, within one process.</summary>
    InProcess,

    /// <summary>Memory that processes of one Linux machine share.</summary>
    SharedMemory,

    /// <summary>Unix domain sockets, within one machine.</summary>
    Unix,

    /// <summary>TCP.</summary>
    Tcp,
}
