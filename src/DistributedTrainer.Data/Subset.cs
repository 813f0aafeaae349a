using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DistributedTrainer.Data.Supply;

namespace DistributedTrainer.Data;

/// <summary>Rows of one set, preprocessed; as records, for nodes that do not have the data. May be read by several threads.</summary>
public sealed class Subset : IRecordSet
{
    // A row is asked for while the two before it are copied: as long as memory takes to answer.
    private const int RowsAhead = 2;

    // Before the features in a record.
    private const int TargetBytes = sizeof(int);

    private readonly Dataset _dataset;
    private readonly int[] _rows;
    private readonly SuppliedSet? _supplied;
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

    /// <summary>Rows that are fetched.</summary>
    internal Subset(Dataset dataset, SuppliedSet supplied, Preprocessor preprocessor, ByteLookup? bytes)
    {
        (_dataset, _rows, _supplied, _bytes, _width) = (dataset, [], supplied, bytes, preprocessor.OutputNames.Count);
        if (supplied.Count > 0 && supplied.RecordBytes != RecordBytes)
        {
            throw new InvalidDataException($"rows: a record has {supplied.RecordBytes} bytes, {RecordBytes} are expected. Run the same release on all nodes.");
        }
    }

    /// <summary>Rows in the set.</summary>
    public int Rows => _supplied?.Count ?? _rows.Length;

    int IRecordSet.Count => Rows;

    /// <inheritdoc/>
    public int RecordBytes => TargetBytes + (_bytes is null ? _width * sizeof(float) : _dataset.FeatureCount);

    /// <summary>Bytes of the features that are held for it alone.</summary>
    internal long Bytes => (_features.LongLength * sizeof(float)) + ((long)_rows.Length * sizeof(int)) + (_supplied?.HeldBytes ?? 0);

    /// <summary>Writes the preprocessed features of a row.</summary>
    /// <param name="row">From 0, within the set.</param>
    /// <param name="into">(columns after preprocessing)</param>
    public void CopyRow(int row, Span<float> into)
    {
        if (_supplied is not null)
        {
            CopySupplied(_supplied, row, into);
        }
        else if (_bytes is not null)
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

    /// <summary>Writes the preprocessed features of several rows.</summary>
    /// <param name="rows">From 0, within the set.</param>
    /// <param name="into">(rows, columns after preprocessing)</param>
    public void CopyRows(ReadOnlySpan<int> rows, Span<float> into)
    {
        var liesInMemory = _supplied is null && _bytes is not null && !_dataset.Features.IsMapped;
        for (var i = 0; i < rows.Length; i++)
        {
            var row = into.Slice(i * _width, _width);
            if (liesInMemory)
            {
                var ahead = i + RowsAhead < rows.Length ? _dataset.Features.ByteRow(_rows[rows[i + RowsAhead]]) : default;
                _bytes!.CopyRow(_dataset.Features.ByteRow(_rows[rows[i]]), row, ahead);
            }
            else
            {
                CopyRow(rows[i], row);
            }
        }
    }

    /// <summary>Class number of a row.</summary>
    public int Label(int row) => _supplied is null ? _dataset.Labels[_rows[row]] : TargetOf(_supplied, row);

    /// <summary>Target value of a row.</summary>
    public float Target(int row) => _supplied is null ? _dataset.Values[_rows[row]] : BitConverter.Int32BitsToSingle(TargetOf(_supplied, row));

    /// <summary>Fetches the rows of a shard that are not here: those whose number modulo the shards is the shard's. False: given up.</summary>
    /// <param name="shard">From 0.</param>
    /// <param name="isGivenUp">Whether nobody waits for them any more.</param>
    /// <exception cref="IOException">They cannot be had.</exception>
    public bool Bring(int shard, Func<bool> isGivenUp) => _supplied is null || _supplied.Bring(shard, isGivenUp);

    /// <inheritdoc/>
    public void CopyRecord(int record, Span<byte> into)
    {
        var target = _dataset.Task == DataTask.Classification ? Label(record) : BitConverter.SingleToInt32Bits(Target(record));
        BinaryPrimitives.WriteInt32LittleEndian(into, target);
        var features = into[TargetBytes..RecordBytes];
        if (_bytes is not null)
        {
            _dataset.Features.ByteRow(_rows[record]).CopyTo(features);
            return;
        }

        var floats = MemoryMarshal.Cast<byte, float>(features);
        CopyRow(record, floats);
        SwapWhereBigEndian(floats);
    }

    private static int TargetOf(SuppliedSet supplied, int row)
    {
        Span<byte> bytes = stackalloc byte[TargetBytes];
        supplied.Read(row, 0, bytes);
        return BinaryPrimitives.ReadInt32LittleEndian(bytes);
    }

    private void CopySupplied(SuppliedSet supplied, int row, Span<float> into)
    {
        if (_bytes is not null)
        {
            var bytes = RowRoom.Of(_dataset.FeatureCount);
            supplied.Read(row, TargetBytes, bytes);
            _bytes.CopyRow(bytes, into);
            return;
        }

        into = into[.._width];
        supplied.Read(row, TargetBytes, MemoryMarshal.AsBytes(into));
        SwapWhereBigEndian(into);
    }

    private static void SwapWhereBigEndian(Span<float> values)
    {
        if (!BitConverter.IsLittleEndian)
        {
            var words = MemoryMarshal.Cast<float, int>(values);
            BinaryPrimitives.ReverseEndianness(words, words);
        }
    }
}
