using System.Buffers.Binary;
using System.Security.Cryptography;
using DistributedTrainer.Channels;
using DistributedTrainer.Data.Supply;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>How nodes ask for data: what stands in the headers of requests and replies.</summary>
internal static class SupplyFrames
{
    /// <summary>In the flags of a request: what is known of the data?</summary>
    public const byte Describe = 2;

    /// <summary>In the flags of a request: these records.</summary>
    public const byte Records = 4;

    /// <summary>Bytes of records in one reply, where a record is not larger.</summary>
    public const int ChunkBytes = 4 << 20;

    /// <summary>A description is names and some numbers for each column.</summary>
    public const int MaximumDescriptionBytes = 256 << 20;

    public static FrameHeader AskForDescription(ulong run) => new() { Kind = FrameKind.Request, Run = run, Flags = Describe };

    /// <param name="run">Names the run.</param>
    /// <param name="key">Of the description that the records belong to.</param>
    /// <param name="range">Which.</param>
    public static FrameHeader Ask(ulong run, string key, RecordRange range) => new()
    {
        Kind = FrameKind.Request,
        Run = run,
        Flags = Records,
        Generation = Short(key),
        Partition = range.Set,
        Index = range.First,
        Level = range.Stride,
        Rows = range.Count,
    };

    public static RecordRange RangeOf(in FrameHeader question) => new(question.Partition, question.Index, question.Level, question.Rows);

    /// <summary>The beginning of a description's key.</summary>
    public static long Short(string key) => BinaryPrimitives.ReadInt64BigEndian(Convert.FromHexString(key.AsSpan(0, 2 * sizeof(long))));

    /// <summary>What a reply carries beside its payload, so that what was damaged on the way is noticed.</summary>
    public static long CheckOf(ReadOnlySpan<byte> payload)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(payload, digest);
        return BinaryPrimitives.ReadInt64BigEndian(digest);
    }
}
