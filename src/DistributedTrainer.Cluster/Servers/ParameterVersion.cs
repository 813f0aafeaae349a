using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// One published version of a partition: its parameters, in the lead partition followed by the running statistics.
/// Counted, since it may still be on its way to a slow worker when the next version is published.
/// </summary>
internal sealed class ParameterVersion(int length, Spares<ParameterVersion> spares) : IPayload, IDisposable
{
    private readonly SharedFloats _memory = new(length);
    private int _users;

    public AlignedBuffer Values => _memory.Values;

    public long Step { get; private set; }

    /// <summary>What was known of the evaluations when it was made.</summary>
    public Verdict Verdict { get; private set; }

    /// <summary>Whether the step that led to it was left out.</summary>
    public bool IsSkipped { get; set; }

    /// <summary>What it asks of the step after it.</summary>
    public CheckpointAsk Asks { get; set; }

    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(Values.Span[..length]);

    /// <summary>Starts a new life with one user.</summary>
    public ParameterVersion Open(long step, Verdict verdict)
    {
        (Step, Verdict, Asks, IsSkipped) = (step, verdict, CheckpointAsk.None, false);
        Volatile.Write(ref _users, 1);
        return this;
    }

    /// <summary>It is this version too.</summary>
    public void Relabel(long step) => Step = step;

    public ParameterVersion Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            spares.Return(this);
        }
    }

    public void Dispose() => _memory.Dispose();
}
