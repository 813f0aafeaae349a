using System.Runtime.InteropServices;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>A payload that lies with a worker; notes whether it was given back.</summary>
internal sealed class FakeLease(float[] values) : IPayloadLease
{
    public int GivenBack { get; private set; }

    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(GivenBack > 0, this);
            return MemoryMarshal.AsBytes(values.AsSpan());
        }
    }

    public void Dispose() => GivenBack++;
}
