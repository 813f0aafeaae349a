using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>What the kernels use of the processor at hand. No bit of a result depends on it.</summary>
public static class Hardware
{
    /// <summary>Bits of the widest vectors: 512, 256 or 128.</summary>
    public static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
}
