using System.Buffers.Binary;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>
/// The order of updates from one load of the state to the next, a log for each partition: at both ends all partitions are at
/// the same step. A run that went back to a checkpoint, was resumed, or went on in another mode has several; each may have its
/// own partitions. One of mode sync has no logs: its updates are its steps.
/// </summary>
/// <param name="From">The step that it begins with.</param>
/// <param name="Logs">By partition, as <see cref="Servers.OrderLog"/> writes them.</param>
/// <param name="Mode">How workers and servers kept step; null: a file of format 1, which does not say whether stale or async.</param>
/// <param name="Staleness">Of mode stale.</param>
internal sealed record OrderSection(long From, byte[][] Logs, TrainingMode? Mode = null, int Staleness = 0)
{
    // In place of a mode.
    private const int Unsaid = 255;

    // "DTOR" on the disk, then the version of the format: 1 has no modes.
    private const uint Magic = 0x524f5444;
    private const uint Format = 2;

    /// <summary>Whether an update was that of a whole step.</summary>
    public bool IsSync => Mode == TrainingMode.Sync;

    /// <summary>Mode sync from this step on.</summary>
    public static OrderSection Sync(long from) => new(from, [], TrainingMode.Sync);

    /// <summary>The experiment with the mode that a run was in last.</summary>
    /// <param name="experiment">The experiment, in any mode.</param>
    /// <param name="sections">Of the run; empty: it was sync from the start.</param>
    public static Experiment TrainedLast(Experiment experiment, IReadOnlyList<OrderSection> sections) =>
        (sections is [.., var last] ? last : Sync(0)) is { Mode: { } mode } section
            ? experiment with { Training = experiment.Training with { Mode = mode, Staleness = section.Staleness } }
            : experiment;

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
            writer.Write(section.Mode is { } mode ? (int)mode : Unsaid);
            writer.Write(section.Staleness);
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
        if (Word(bytes, ref at) != Magic || Word(bytes, ref at) is var format && format is not (1 or Format))
        {
            throw new InvalidDataException("it is no order of updates that this program can read.");
        }

        var sections = new OrderSection[Count(bytes, ref at)];
        for (var i = 0; i < sections.Length; i++)
        {
            var from = BinaryPrimitives.ReadInt64LittleEndian(Take(bytes, ref at, sizeof(long)));
            var (mode, staleness) = format == 1 ? (null, 0) : (ModeOf(Word(bytes, ref at)), (int)Word(bytes, ref at));
            var logs = new byte[Count(bytes, ref at)][];
            for (var p = 0; p < logs.Length; p++)
            {
                logs[p] = Take(bytes, ref at, Count(bytes, ref at)).ToArray();
            }

            sections[i] = new OrderSection(from, logs, mode, staleness);
        }

        return sections;
    }

    private static TrainingMode? ModeOf(uint number) => number switch
    {
        Unsaid => null,
        _ when Enum.IsDefined((TrainingMode)number) => (TrainingMode)number,
        _ => throw new InvalidDataException($"the order of updates names mode {number}, which this program does not know."),
    };

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
