namespace DistributedTrainer.Protocol;

/// <summary>One training run of a cluster; its text is also the last part of the run folder's default name.</summary>
public readonly record struct RunId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>One process of the cluster, in one life: a relaunched process has another one.</summary>
public readonly record struct NodeId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>One worker actor: a node and its place in it.</summary>
public readonly record struct WorkerId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Numbers the assignments of shards to workers; what carries an older one is refused.</summary>
public readonly record struct Generation(long Value)
{
    /// <summary>The one that follows. A method: a property would travel with every message.</summary>
    public Generation Next() => new(Value + 1);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Step s takes parameter version s to version s + 1.</summary>
public readonly record struct StepId(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A contiguous range of the flat parameter vector, owned by one partition actor.</summary>
public readonly record struct PartitionId(int Value)
{
    /// <summary>The partition that also keeps running statistics and gathers statistics and evaluations.</summary>
    public static PartitionId Lead => new(0);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
