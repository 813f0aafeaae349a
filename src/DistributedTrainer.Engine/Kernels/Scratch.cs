namespace DistributedTrainer.Engine.Kernels;

/// <summary>Working memory of kernels: one buffer a thread and purpose, which grows to the largest need and stays.</summary>
internal static class Scratch
{
    /// <summary>At least this many elements, with any content, that do not move.</summary>
    public static float[] Room(ref float[]? buffer, int length)
    {
        if (buffer is null || buffer.Length < length)
        {
            buffer = GC.AllocateUninitializedArray<float>(length, pinned: true);
        }

        return buffer;
    }

    /// <summary>The next multiple of a step.</summary>
    public static int RoundUp(int value, int step) => (value + step - 1) / step * step;
}
