using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>What a run has produced; two of them are compared bit by bit.</summary>
internal sealed record TrainedModel(float[] Parameters, float[] Buffers, double[] LossSums)
{
    public string Bits => string.Join(' ', Hash<float>(Parameters), Hash<float>(Buffers), Hash<double>(LossSums));

    private static string Hash<T>(ReadOnlySpan<T> values)
        where T : unmanaged => Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(values)))[..16];
}
