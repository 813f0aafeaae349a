using System.Buffers.Binary;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>
/// The order of updates from one load of the state to the next, a log for each partition: at both ends all partitions are at
/// the same step. A run that went back to a checkpoint, or was resumed, has several; each may have its own partitions.
/// </summary>
/// <param name="From">The step that it begins with.</param>
/// <param name="Logs">By partition, as <see cref="Servers.OrderLog"/> writes them.</param>
internal sealed record OrderSection(long From, byte[][] Logs)
{
    // "DTOR" on the disk, then the version of the format.
    private const uint Magic = 0x524f5444;
    private const uint Format = 1;

    /// <summary>All sections of a run, as in the file of a checkpoint.</summary>
    public static byte[] Write(IReadOnlyList<OrderSection> sections)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        writer.Write(Format);
        writer.Write(sections.Count);
        foreach (var section in sections)
        {
            writer.Write(section.From);
            writer.Write(section.Logs.Length);
            foreach (var log in section.Logs)
            {
                writer.Write(log.Length);
                writer.Write(log);
            }
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads them back.</summary>
    /// <exception cref="InvalidDataException">It is something else, or damaged.</exception>
    public static IReadOnlyList<OrderSection> Read(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        if (Word(bytes, ref at) != Magic || Word(bytes, ref at) != Format)
        {
            throw new InvalidDataException("it is no order of updates that this program can read.");
        }

        var sections = new OrderSection[Count(bytes, ref at)];
        for (var i = 0; i < sections.Length; i++)
        {
            var from = BinaryPrimitives.ReadInt64LittleEndian(Take(bytes, ref at, sizeof(long)));
            var logs = new byte[Count(bytes, ref at)][];
            for (var p = 0; p < logs.Length; p++)
            {
                logs[p] = Take(bytes, ref at, Count(bytes, ref at)).ToArray();
            }

            sections[i] = new OrderSection(from, logs);
        }

        return sections;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, ref int at) => BinaryPrimitives.ReadUInt32LittleEndian(Take(bytes, ref at, sizeof(uint)));

    private static int Count(ReadOnlySpan<byte> bytes, ref int at) =>
        Word(bytes, ref at) is var count && count <= bytes.Length ? (int)count : throw new InvalidDataException("the order of updates is damaged.");

    private static ReadOnlySpan<byte> Take(ReadOnlySpan<byte> bytes, ref int at, int count)
    {
        if (bytes.Length - at < count)
        {
            throw new InvalidDataException("the order of updates is cut off.");
        }

        at += count;
        return bytes.Slice(at - count, count);
    }
}
