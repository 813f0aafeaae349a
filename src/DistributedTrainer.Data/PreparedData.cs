using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>Rows of one set, preprocessed. May be read by several threads.</summary>
public sealed class Subset
{
    private readonly Dataset _dataset;
    private readonly int[] _rows;
    private readonly ByteLookup? _bytes;
    private readonly float[] _features = [];
    private readonly int _width;

    internal Subset(Dataset dataset, int[] rows, Preprocessor preprocessor, ByteLookup? bytes)
    {
        (_rows, _bytes, _width) = (rows, bytes, preprocessor.OutputNames.Count);
        _dataset = bytes is null ? dataset.WithoutFeatures() : dataset;
        if (bytes is not null)
        {
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

/// <summary>
/// A data set, split and preprocessed: what a run trains on. Features are held once: rows of bytes stay bytes and are
/// preprocessed as they are read, others are kept preprocessed and the data as read is let go.
/// </summary>
public sealed class PreparedData
{
    /// <summary>Fits the preprocessing on the training rows and applies it to all.</summary>
    /// <exception cref="ArgumentException">There are no training rows.</exception>
    /// <exception cref="InvalidDataException">The preprocessing does not fit the data.</exception>
    public PreparedData(Dataset dataset, DataSplit split, IEnumerable<PreprocessingStep> preprocess)
    {
        Dataset = dataset.WithoutFeatures();
        Preprocessor = Preprocessor.Fit(dataset, split.Training, preprocess);
        var bytes = dataset.Features.IsBytes ? new ByteLookup(dataset, Preprocessor) : null;
        Training = new Subset(dataset, split.Training, Preprocessor, bytes);
        Validation = new Subset(dataset, split.Validation, Preprocessor, bytes);
        Test = new Subset(dataset, split.Test, Preprocessor, bytes);
    }

    /// <summary>What is known of the data, without its features.</summary>
    public Dataset Dataset { get; }

    /// <summary>What was fitted on the training rows.</summary>
    public Preprocessor Preprocessor { get; }

    /// <summary>What a preprocessed row is: (columns), or (channels, height, width).</summary>
    public Shape InputShape => Preprocessor.OutputShape;

    /// <summary>Rows to train on.</summary>
    public Subset Training { get; }

    /// <summary>Rows to evaluate on after each epoch.</summary>
    public Subset Validation { get; }

    /// <summary>Rows to evaluate on at the end.</summary>
    public Subset Test { get; }

    /// <summary>Bytes of features, labels and row numbers.</summary>
    public long Bytes => Training.Bytes + Validation.Bytes + Test.Bytes
        + ((long)Dataset.Rows * sizeof(float)) + (Dataset.Features.IsBytes ? (long)Dataset.Features.Rows * Dataset.Features.Columns : 0);

    /// <summary>As the constructor, but what does not fit goes to the problems.</summary>
    /// <returns>Null where anything is wrong.</returns>
    public static PreparedData? Create(Dataset dataset, DataSplit split, IEnumerable<PreprocessingStep> preprocess, ICollection<string> problems)
    {
        try
        {
            return new PreparedData(dataset, split, preprocess);
        }
        catch (InvalidDataException problem)
        {
            problems.Add(problem.Message);
            return null;
        }
    }
}

/// <summary>
/// What preprocessing makes of each of the 256 bytes in each column: without text columns, every preprocessed column
/// depends on one column of the data. Immutable.
/// </summary>
internal sealed class ByteLookup
{
    private const int Values = 256;
    private readonly int[] _sources;
    private readonly float[] _table;

    // Pixels that are only scaled: one table for all columns stays in the nearest cache, 784 of them do not. Empty: they differ.
    private readonly float[] _common = [];

    public ByteLookup(Dataset dataset, Preprocessor preprocessor)
    {
        _sources = preprocessor.Sources;
        _table = new float[_sources.Length * Values];
        var (transform, names) = (preprocessor.For(dataset), preprocessor.OutputNames);
        var (raw, row) = (new float[dataset.FeatureCount], new float[_sources.Length]);
        for (var value = 0; value < Values; value++)
        {
            Array.Fill(raw, value);
            transform.Apply(raw, row);
            Finite.Check(row, names);
            for (var c = 0; c < row.Length; c++)
            {
                _table[(c * Values) + value] = row[c];
            }
        }

        if (IsIdentity(_sources) && Enumerable.Range(0, _sources.Length).All(c => Bits(_table, c).SequenceEqual(Bits(_table, 0))))
        {
            _common = _table[..Math.Min(Values, _table.Length)];
        }
    }

    // On the way of every training row: compiled fully from the first call on.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void CopyRow(ReadOnlySpan<byte> bytes, Span<float> into)
    {
        var (sources, table) = (_sources, _table);
        into = into[..sources.Length];
        if (_common is { Length: Values } common)
        {
            bytes = bytes[..into.Length];
            for (var c = 0; c < into.Length; c++)
            {
                into[c] = common[bytes[c]];
            }

            return;
        }

        for (var c = 0; c < into.Length; c++)
        {
            into[c] = table[(c * Values) + bytes[sources[c]]];
        }
    }

    private static bool IsIdentity(int[] sources) => sources.AsSpan().SequenceEqual(Enumerable.Range(0, sources.Length).ToArray());

    // As bits, since NaN is equal to nothing.
    private static ReadOnlySpan<int> Bits(float[] table, int column) =>
        MemoryMarshal.Cast<float, int>(table.AsSpan(column * Values, Values));
}
