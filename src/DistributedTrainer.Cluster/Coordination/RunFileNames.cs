namespace DistributedTrainer.Cluster.Coordination;

/// <summary>The files of a run folder that others are shown, and nothing else of this machine.</summary>
public static class RunFileNames
{
    /// <summary>The most bytes of one that is replaced: what is larger comes from elsewhere, and is as good as not there.</summary>
    public const int LargestReplaced = 1 << 20;

    /// <summary>The most bytes of a file, or of several, that one answer holds.</summary>
    public const int LargestAnswer = 64 << 10;

    /// <summary>By so many of the last known bytes it shows whether a file that grows is still the same.</summary>
    public const int WitnessLength = 256;

    private const int LongestName = 255;

    /// <summary>Those that lines are added to.</summary>
    public static IReadOnlyList<string> Growing { get; } = ["metrics.jsonl", "cluster.jsonl", "weights.jsonl", "log.txt"];

    /// <summary>
    /// All, in the order in which they are asked for: what says that a run is over comes last, so that whoever sees the end
    /// has seen the last steps.
    /// </summary>
    public static IReadOnlyList<string> All { get; } = [RunFolder.ExperimentName, "environment.json", .. Growing, "result.json", "ended.txt"];

    /// <summary>Whether it grows, and is not replaced as a whole.</summary>
    public static bool Grows(string file) => Growing.Contains(file);

    /// <summary>Whether this is the name of a folder, and no path that leads anywhere else.</summary>
    public static bool IsFolder(string name) =>
        name.Length is > 0 and <= LongestName && name is not ("." or "..") && !name.Any(static character => character is '/' or '\\' or ':' || char.IsControl(character));
}
