using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>The same step every time.</summary>
internal readonly unsafe struct EvenSteps(long step) : ISteps
{
    public static int Stretch => int.MaxValue;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Next(float* b, int k) => b + step;

    public void Ahead()
    {
    }

    public void Read(Vector512<float> left, Vector512<float> right)
    {
    }

    public void Read(Vector256<float> left, Vector256<float> right)
    {
    }

    public void Read(Vector128<float> left, Vector128<float> right)
    {
    }
}
