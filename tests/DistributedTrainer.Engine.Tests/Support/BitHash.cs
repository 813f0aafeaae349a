using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>A short name for the bits of arrays, to be pinned in tests.</summary>
internal static class BitHash
{
    public static string Of(params ReadOnlySpan<float[]> arrays)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var array in arrays)
        {
            hash.AppendData(MemoryMarshal.AsBytes(array.AsSpan()));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
