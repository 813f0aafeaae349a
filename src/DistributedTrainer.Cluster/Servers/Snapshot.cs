using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// The whole state of a partition at one version, put aside while training goes on: the parameters, the optimizer's state,
/// and the best version where early stopping may go back to it. Not for two threads at once.
/// </summary>
internal sealed class Snapshot(long version, Verdict verdict, ParameterVersion[] vectors, byte[]? order = null) : IDisposable
{
    public long Version => version;

    /// <summary>What was known of the evaluations before this version.</summary>
    public Verdict Verdict => verdict;

    /// <summary>
    /// The parameters (in the lead partition followed by the running statistics), then each vector of the optimizer's state,
    /// then the best version, if there is one.
    /// </summary>
    public IReadOnlyList<ParameterVersion> Vectors => vectors;

    /// <summary>How it came about since the partition began, see <see cref="OrderLog"/>; fetched as one vector more. Null: it follows from the experiment.</summary>
    public byte[]? Order { get; set; } = order;

    public void Dispose()
    {
        foreach (var vector in vectors)
        {
            vector.Release();
        }
    }
}

/// <summary>Where a partition begins.</summary>
/// <param name="Version">0: with what follows from the seed; above: with a state that is brought to it.</param>
/// <param name="Verdict">What is known of the evaluations before it.</param>
internal readonly record struct StartingPoint(long Version, Verdict Verdict);

/// <summary>
/// A vector of the state that is on its way to a partition. The memory that it is written to stays until it has come or
/// was abandoned, also where the partition ends meanwhile; and it counts for that partition only, not for one that follows.
/// </summary>
internal sealed class IncomingVector(Partition partition, int index, AlignedBuffer place, int start, int length, ParameterVersion? user) : IDisposable
{
    private ParameterVersion? _user = user;

    /// <summary>Who expects it.</summary>
    public Partition Partition => partition;

    /// <summary>Its place among <see cref="Snapshot.Vectors"/>.</summary>
    public int Index => index;

    /// <summary>Where it is written to.</summary>
    public Span<byte> Bytes => MemoryMarshal.AsBytes(place.Span.Slice(start, length));

    public void Dispose() => Interlocked.Exchange(ref _user, null)?.Release();
}
