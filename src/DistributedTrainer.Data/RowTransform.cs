namespace DistributedTrainer.Data;

/// <summary>The steps of a preprocessor, bound to a data set. Not thread-safe: one for each thread.</summary>
public sealed class RowTransform
{
    private readonly List<(RowStep Step, float[] Output)> _steps;

    internal RowTransform(int width, List<(RowStep Step, int Width)> steps)
    {
        Width = width;
        _steps = steps.ConvertAll(static step => (step.Step, new float[step.Width]));
    }

    /// <summary>Values of a preprocessed row.</summary>
    public int Width { get; }

    /// <summary>Preprocesses one row.</summary>
    /// <param name="row">(FeatureCount), as in the data.</param>
    /// <param name="into">(Width)</param>
    public void Apply(ReadOnlySpan<float> row, Span<float> into)
    {
        foreach (var (step, output) in _steps)
        {
            step(row, output);
            row = output;
        }

        row.CopyTo(into);
    }
}
