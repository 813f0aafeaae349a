namespace DistributedTrainer.Data;

/// <summary>Rows of one set, preprocessed. May be read by several threads.</summary>
public sealed class Subset
{
    private readonly Dataset _dataset;
    private readonly int[] _rows;
    private readonly ByteLookup? _bytes;
    private readonly float[] _features = [];
    private readonly int _width;

    // Each thread has its own steps, since they hold what is between them.
    private readonly ThreadLocal<(RowTransform Transform, float[] Raw)>? _steps;

    internal Subset(Dataset dataset, int[] rows, Preprocessor preprocessor, ByteLookup? bytes)
    {
        (_rows, _bytes, _width) = (rows, bytes, preprocessor.OutputNames.Count);
        _dataset = bytes is null && !dataset.Features.IsMapped ? dataset.WithoutFeatures() : dataset;
        if (bytes is not null)
        {
            return;
        }

        if (dataset.Features.IsMapped)
        {
            preprocessor.CheckRange(dataset);
            _steps = new ThreadLocal<(RowTransform, float[])>(() => (preprocessor.For(dataset), new float[dataset.FeatureCount]));
            return;
        }

        _features = new float[checked(rows.Length * _width)];
        var (transform, raw, names) = (preprocessor.For(dataset), new float[dataset.FeatureCount], preprocessor.OutputNames);
        for (var i = 0; i < rows.Length; i++)
        {
            var row = _features.AsSpan(i * _width, _width);
            dataset.Features.CopyRow(rows[i], raw);
            transform.Apply(raw, row);
            Finite.Check(row, names);
        }
    }

    /// <summary>Rows in the set.</summary>
    public int Rows => _rows.Length;

    /// <summary>Bytes of the features that are held for it alone.</summary>
    internal long Bytes => (_features.LongLength * sizeof(float)) + ((long)_rows.Length * sizeof(int));

    /// <summary>Writes the preprocessed features of a row.</summary>
    /// <param name="row">From 0, within the set.</param>
    /// <param name="into">(columns after preprocessing)</param>
    public void CopyRow(int row, Span<float> into)
    {
        if (_bytes is not null)
        {
            _bytes.CopyRow(_dataset.Features.ByteRow(_rows[row]), into);
        }
        else if (_steps is not null)
        {
            var (transform, raw) = _steps.Value;
            _dataset.Features.CopyRow(_rows[row], raw);
            transform.Apply(raw, into);
        }
        else
        {
            _features.AsSpan(row * _width, _width).CopyTo(into);
        }
    }

    /// <summary>Class number of a row.</summary>
    public int Label(int row) => _dataset.Labels[_rows[row]];

    /// <summary>Target value of a row.</summary>
    public float Target(int row) => _dataset.Values[_rows[row]];
}
