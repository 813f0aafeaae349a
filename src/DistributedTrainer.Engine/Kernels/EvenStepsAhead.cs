using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>The same step every time, and a look ahead.</summary>
internal unsafe struct EvenStepsAhead(long step, Lookahead ahead) : ISteps
{
    private Lookahead _ahead = ahead;

    public static int Stretch => Lookahead.Stretch;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly float* Next(float* b, int k) => b + step;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ahead() => _ahead.Ask();

    public readonly void Read(Vector512<float> left, Vector512<float> right)
    {
    }

    public readonly void Read(Vector256<float> left, Vector256<float> right)
    {
    }

    public readonly void Read(Vector128<float> left, Vector128<float> right)
    {
    }
}
