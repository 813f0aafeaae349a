namespace DistributedTrainer.Engine.Kernels;

/// <summary>The products of a fully connected layer with what can be done to their results on the way. B rows, I inputs, O outputs.</summary>
/// <param name="x">Inputs, or where their gradient goes (B,I).</param>
/// <param name="w">Weights (O,I).</param>
/// <param name="y">Where outputs go, or their gradient (B,O).</param>
/// <param name="rows">B.</param>
/// <param name="inputs">I.</param>
/// <param name="outputs">O.</param>
/// <param name="tiling">The tiles; null: those that fit this processor.</param>
internal readonly unsafe ref struct LinearProduct(Span<float> x, ReadOnlySpan<float> w, Span<float> y, int rows, int inputs, int outputs, Tiling? tiling = null)
{
    private readonly Tiling _tiling = tiling ?? Tiling.Hardware;
    private readonly Span<float> _x = x;
    private readonly ReadOnlySpan<float> _w = w;
    private readonly Span<float> _y = y;

    /// <summary>y = x · wᵀ + b.</summary>
    /// <param name="bias">b (O), or empty.</param>
    public void Forward(ReadOnlySpan<float> bias)
    {
        if (bias.IsEmpty)
        {
            Forward(default(NoEpilogue));
            return;
        }

        CheckBias(bias);
        fixed (float* b = bias)
        {
            Forward(new AddBias(b));
        }
    }

    /// <summary>y = f(x · wᵀ + b).</summary>
    /// <param name="function">f.</param>
    /// <param name="bias">b (O), or empty.</param>
    public void Forward<TActivation>(TActivation function, ReadOnlySpan<float> bias)
        where TActivation : struct, IActivation
    {
        CheckBias(bias);
        fixed (float* b = bias)
        {
            Forward(new AddBiasAndActivate<TActivation>(function, b));
        }
    }

    /// <summary>dx = dy · w.</summary>
    public void BackwardInput() => BackwardInput(default(NoEpilogue));

    /// <summary>(dy · w) · f'(z), from the values f(z) that are the layer's inputs.</summary>
    /// <param name="function">f.</param>
    /// <param name="values">f(z) (B,I).</param>
    public void BackwardInput<TActivation>(TActivation function, ReadOnlySpan<float> values)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(rows * inputs, values.Length, "linear");
        fixed (float* v = values)
        {
            BackwardInput(new MultiplyBySlope<TActivation>(function, v));
        }
    }

    private void Forward<TEpilogue>(TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue =>
        MatrixProduct.RunTransposed(_tiling, _x, _w, _y, rows, outputs, inputs, epilogue);

    private void BackwardInput<TEpilogue>(TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue =>
        MatrixProduct.Run(_tiling, _y, outputs, 1, _w, inputs, 1, _x, rows, inputs, outputs, accumulate: false, epilogue);

    private void CheckBias(ReadOnlySpan<float> bias) => VectorMap.CheckLengths(outputs, bias.IsEmpty ? outputs : bias.Length, "linear");
}
