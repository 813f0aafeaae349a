namespace DistributedTrainer.Data.Supply;

/// <summary>Records of equal length that one process has, and others may fetch. May be read by several threads.</summary>
public interface IRecordSet
{
    /// <summary>Records in the set.</summary>
    int Count { get; }

    /// <summary>Bytes of a record.</summary>
    int RecordBytes { get; }

    /// <summary>Writes a record.</summary>
    /// <param name="record">From 0.</param>
    /// <param name="into">(RecordBytes)</param>
    void CopyRecord(int record, Span<byte> into);
}
