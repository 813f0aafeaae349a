namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>
/// exp, log, tanh and the logistic function through the platform's float64, rounded once: the right answer to half a
/// unit in the last place, but not the same bits on every platform, so it serves only to measure <see cref="VectorMath"/>.
/// </summary>
internal static class ReferenceMath
{
    /// <summary>e^x.</summary>
    public static float Exp(float x) => (float)Math.Exp(x);

    /// <summary>Natural logarithm.</summary>
    public static float Log(float x) => (float)Math.Log(x);

    /// <summary>tanh x.</summary>
    public static float Tanh(float x) => (float)Math.Tanh(x);

    /// <summary>1 / (1 + e^−x).</summary>
    public static float Sigmoid(float x) => (float)(1 / (1 + Math.Exp(-(double)x)));
}
