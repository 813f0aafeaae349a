namespace DistributedTrainer.Data;

/// <summary>Rows of one set, preprocessed.</summary>
public sealed class Subset
{
    private readonly Dataset _dataset;
    private readonly int[] _rows;
    private readonly float[] _features;

    internal Subset(Dataset dataset, int[] rows, Preprocessor preprocessor)
    {
        _dataset = dataset;
        _rows = rows;
        var columns = dataset.FeatureCount;
        _features = new float[rows.Length * columns];
        for (var i = 0; i < rows.Length; i++)
        {
            var row = _features.AsSpan(i * columns, columns);
            dataset.Features.AsSpan(rows[i] * columns, columns).CopyTo(row);
            preprocessor.Apply(row);
        }
    }

    /// <summary>Rows in the set.</summary>
    public int Rows => _rows.Length;

    /// <summary>Features of a row (FeatureCount), preprocessed.</summary>
    public ReadOnlySpan<float> Row(int row) => _features.AsSpan(row * _dataset.FeatureCount, _dataset.FeatureCount);

    /// <summary>Class number of a row.</summary>
    public int Label(int row) => _dataset.Labels[_rows[row]];

    /// <summary>Target value of a row.</summary>
    public float Target(int row) => _dataset.Values[_rows[row]];
}

/// <summary>A data set, split and preprocessed: what a run trains on.</summary>
public sealed class PreparedData
{
    /// <summary>Fits the preprocessing on the training rows and applies it to all.</summary>
    public PreparedData(Dataset dataset, DataSplit split, IEnumerable<(PreprocessStep Step, double Factor)> preprocess)
    {
        Dataset = dataset;
        Preprocessor = Preprocessor.Fit(dataset, split.Training, preprocess);
        Training = new Subset(dataset, split.Training, Preprocessor);
        Validation = new Subset(dataset, split.Validation, Preprocessor);
        Test = new Subset(dataset, split.Test, Preprocessor);
    }

    /// <summary>The data as read.</summary>
    public Dataset Dataset { get; }

    /// <summary>What was fitted on the training rows.</summary>
    public Preprocessor Preprocessor { get; }

    /// <summary>Rows to train on.</summary>
    public Subset Training { get; }

    /// <summary>Rows to evaluate on after each epoch.</summary>
    public Subset Validation { get; }

    /// <summary>Rows to evaluate on at the end.</summary>
    public Subset Test { get; }
}
