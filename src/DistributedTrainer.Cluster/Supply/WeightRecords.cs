using System.Buffers.Binary;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data.Supply;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>Starting weights as records: parameters, then running statistics, as little-endian float32; zeros fill the last one.</summary>
internal sealed class WeightRecords(StartingWeights weights) : IRecordSet
{
    private const int FloatsPerRecord = 1024;

    public int Count => CountOf(weights.Parameters.Length, weights.Buffers.Length);

    public int RecordBytes => FloatsPerRecord * sizeof(float);

    public void CopyRecord(int record, Span<byte> into)
    {
        for (var i = 0; i < FloatsPerRecord; i++)
        {
            var at = ((long)record * FloatsPerRecord) + i;
            var value = at < weights.Parameters.Length ? weights.Parameters[at]
                : at - weights.Parameters.Length is var behind && behind < weights.Buffers.Length ? weights.Buffers[behind] : 0;
            BinaryPrimitives.WriteSingleLittleEndian(into[(i * sizeof(float))..], value);
        }
    }

    /// <summary>Reads weights back.</summary>
    /// <exception cref="InvalidDataException">They are those of another model.</exception>
    /// <exception cref="IOException">They cannot be had.</exception>
    public static StartingWeights Read(IRecordSet records, string sha256, int parameters, int buffers)
    {
        if (records.Count != CountOf(parameters, buffers) || records.RecordBytes != FloatsPerRecord * sizeof(float))
        {
            throw new InvalidDataException($"model.from: {records.Count} records of {records.RecordBytes} bytes are not {parameters} parameters and {buffers} running statistics. Run the same release on all nodes.");
        }

        var weights = new StartingWeights(new float[parameters], new float[buffers], sha256);
        var record = new byte[records.RecordBytes];
        for (var r = 0; r < records.Count; r++)
        {
            records.CopyRecord(r, record);
            for (var i = 0; i < FloatsPerRecord; i++)
            {
                var at = ((long)r * FloatsPerRecord) + i;
                var value = BinaryPrimitives.ReadSingleLittleEndian(record.AsSpan(i * sizeof(float)));
                if (at < parameters)
                {
                    weights.Parameters[at] = value;
                }
                else if (at - parameters < buffers)
                {
                    weights.Buffers[at - parameters] = value;
                }
            }
        }

        return weights;
    }

    private static int CountOf(int parameters, int buffers) => (int)(((long)parameters + buffers + FloatsPerRecord - 1) / FloatsPerRecord);
}
