using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// One published version of a partition: its parameters, in the lead partition followed by the running statistics.
/// Counted, since it may still be on its way to a slow worker when the next version is published.
/// </summary>
/// <param name="memory">Its numbers.</param>
/// <param name="spares">Where it goes when nobody uses it.</param>
internal sealed class ParameterVersion(SharedFloats memory, Spares<ParameterVersion> spares) : IPayload, IDisposable
{
    private UpdatePayload? _update;
    private int _users;

    public AlignedBuffer Values => memory.Values;

    public long Step { get; private set; }

    /// <summary>What was known of the evaluations when it was made.</summary>
    public Verdict Verdict { get; private set; }

    /// <summary>Whether the step that led to it was left out.</summary>
    public bool IsSkipped { get; set; }

    /// <summary>What it asks of the step after it.</summary>
    public CheckpointAsk Asks { get; set; }

    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(Values.Span);

    /// <summary>Starts a new life with one user.</summary>
    public ParameterVersion Open(long step, Verdict verdict)
    {
        (Step, Verdict, Asks, IsSkipped) = (step, verdict, CheckpointAsk.None, false);
        if (_update is not null)
        {
            _update.Count = 0;
        }

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

    /// <summary>Keeps the gradient that led to it, in front of it the running statistics.</summary>
    public void Keep(GradientCodec codec, ReadOnlySpan<float> gradient, ReadOnlySpan<float> buffers, int rows, float scale)
    {
        var statistics = MemoryMarshal.AsBytes(buffers);
        _update ??= new UpdatePayload(this, new byte[statistics.Length + codec.MostBytes(gradient.Length)]);
        statistics.CopyTo(_update.Memory);
        _update.Count = statistics.Length + codec.Write(gradient, _update.Memory.AsSpan(statistics.Length));
        (UpdateRows, UpdateScale) = (rows, scale);
    }

    /// <summary>Whether the gradient that led to it is kept.</summary>
    public bool HasUpdate => _update?.Count > 0;

    /// <summary>Rows of the step that led to it.</summary>
    public int UpdateRows { get; private set; }

    /// <summary>What its gradient was scaled by.</summary>
    public double UpdateScale { get; private set; }

    /// <summary>What is kept, to be posted once.</summary>
    public IPayload ShareUpdate()
    {
        Share();
        return _update!;
    }

    public void Dispose() => memory.Dispose();

    private sealed class UpdatePayload(ParameterVersion version, byte[] bytes) : IPayload
    {
        public byte[] Memory => bytes;

        /// <summary>Bytes that are written; 0: none.</summary>
        public int Count { get; set; }

        public ReadOnlySpan<byte> Bytes => bytes.AsSpan(0, Count);

        public void Release() => version.Release();
    }
}
