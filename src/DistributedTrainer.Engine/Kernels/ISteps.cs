using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Where a tile finds B at the next k, and what else it does on its way.</summary>
internal unsafe interface ISteps
{
    /// <summary>After how many k <see cref="Ahead"/> is called again.</summary>
    static abstract int Stretch { get; }

    /// <summary>The place of k + 1.</summary>
    /// <param name="b">The place of k.</param>
    /// <param name="k">k, counted from the beginning of the run.</param>
    float* Next(float* b, int k);

    /// <summary>Asks for memory that will be read later.</summary>
    void Ahead();

    /// <summary>Is handed what a whole tile has read of B at each k.</summary>
    void Read(Vector512<float> left, Vector512<float> right);

    /// <inheritdoc cref="Read(Vector512{float}, Vector512{float})"/>
    void Read(Vector256<float> left, Vector256<float> right);

    /// <inheritdoc cref="Read(Vector512{float}, Vector512{float})"/>
    void Read(Vector128<float> left, Vector128<float> right);
}
