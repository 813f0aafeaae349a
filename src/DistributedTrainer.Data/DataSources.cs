using System.Globalization;

namespace DistributedTrainer.Data;

/// <summary>Where the rows come from and how they are read.</summary>
/// <param name="Training">An embedded name, the path of a CSV file with a header line, of a Parquet file, or of a folder with IDX files or images. Relative paths start at the experiment's folder.</param>
public sealed record DataSources(string Training)
{
    /// <summary>A CSV file with the validation rows; null: they are drawn from the training source.</summary>
    public string? Validation { get; init; }

    /// <summary>A CSV file with the test rows; null: they are drawn from the training source, or are the IDX folder's test files.</summary>
    public string? Test { get; init; }

    /// <summary>The target's column; null: the last one of the training file.</summary>
    public string? Target { get; init; }

    /// <summary>Null: classification where the training file's target is text or a few integers.</summary>
    public DataTask? Task { get; init; }

    /// <summary>Features that are read as text: those that are one-hot encoded.</summary>
    public IReadOnlyList<string> TextColumns { get; init; } = [];

    /// <summary>How text files are read, and what becomes of cells without a value.</summary>
    public TableFormat Format { get; init; } = new();

    /// <summary>Channels, height and width that images of a folder are brought to; null: as the first one is.</summary>
    public (int Channels, int Height, int Width)? Image { get; init; }

    /// <summary>Bytes of a file's rows that are held in memory; larger ones are mapped and read row by row when they are needed. The bits are the same.</summary>
    public long HeldBytes { get; init; } = DefaultHeldBytes;

    /// <summary>The environment's DTRAIN_HELD_BYTES, or 64 MB: whatever is larger is worth sharing between the processes of a machine.</summary>
    public static long DefaultHeldBytes { get; } =
        long.TryParse(Environment.GetEnvironmentVariable("DTRAIN_HELD_BYTES"), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 64L << 20;
}
