using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>A step for each k, as patches in a padded image have them.</summary>
internal readonly unsafe struct TableSteps(int* steps) : ISteps
{
    public static int Stretch => int.MaxValue;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Next(float* b, int k) => b + steps[k];

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
