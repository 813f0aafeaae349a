using System.Security.Cryptography;
using System.Text.Json;

namespace DistributedTrainer.Data.Supply;

/// <summary>
/// What a node needs to know of prepared data beside its rows: names, numbers of preprocessing, and how the records of
/// each set are made. It does not grow with the rows.
/// </summary>
/// <remarks>
/// A record of a row is its target (a class number as int32, or a float32) and its features: bytes as they are read, which
/// take a quarter of the way, or else float32 after preprocessing. All in little-endian order.
/// </remarks>
public sealed record DataDescription
{
    /// <summary>The rows of the training set, of the validation set, of the test set; behind them may be others.</summary>
    public const int DataSets = 3;

    /// <summary>As named in the experiment.</summary>
    public required string Name { get; init; }

    /// <summary>Columns of the data.</summary>
    public required string[] FeatureNames { get; init; }

    /// <summary>The target's column.</summary>
    public required string TargetName { get; init; }

    /// <summary>The classes in the order of their numbers.</summary>
    public required string[] ClassNames { get; init; }

    /// <summary>What the target is.</summary>
    public required DataTask Task { get; init; }

    /// <summary>SHA-256 of what was read.</summary>
    public required string Sha256 { get; init; }

    /// <summary>What a row of the data is.</summary>
    public required int[] InputShape { get; init; }

    /// <summary>The preprocessing with its numbers.</summary>
    public required string Preprocessor { get; init; }

    /// <summary>Whether the features of a record are bytes of the data.</summary>
    public required bool IsBytes { get; init; }

    /// <summary>Records of each set.</summary>
    public required int[] Records { get; init; }

    /// <summary>Bytes of a record of each set.</summary>
    public required int[] RecordBytes { get; init; }

    /// <summary>Starting weights: numbers and their SHA-256; null: none.</summary>
    public string? StartSha256 { get; init; }

    /// <summary>Bytes of all rows.</summary>
    internal long RowBytes => Records.Take(DataSets).Zip(RecordBytes, static (records, bytes) => (long)records * bytes).Sum();

    /// <summary>As JSON in UTF-8.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, JsonSerializerOptions.Web);

    /// <summary>Names what is described: other data, or the same prepared otherwise, has another one.</summary>
    public string Key() => Convert.ToHexStringLower(SHA256.HashData(ToBytes()));

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static DataDescription FromBytes(ReadOnlySpan<byte> bytes)
    {
        DataDescription? read;
        try
        {
            read = JsonSerializer.Deserialize<DataDescription>(bytes, JsonSerializerOptions.Web);
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException($"rows: the description of the data cannot be read: {problem.Message}", problem);
        }

        var isWhole = read is { Name: not null, FeatureNames: { Length: > 0 }, TargetName: not null, ClassNames: not null, Sha256: not null, Preprocessor: not null, InputShape: { Length: > 0 } }
            && read.Records is { Length: >= DataSets } records && read.RecordBytes is { } sizes && sizes.Length == records.Length
            && Array.TrueForAll(records, static count => count >= 0) && Array.TrueForAll(sizes, static size => size > 0);
        return isWhole ? read! : throw new InvalidDataException("rows: the description of the data lacks something. Run the same release on all nodes.");
    }
}
