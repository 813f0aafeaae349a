namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Points of the protocol at which processes are to die, each once, whoever comes there first.</summary>
internal sealed class CrashPlan(string folder, params (string Point, long From)[] points)
{
    /// <summary>What the processes of a run find in their environment.</summary>
    public (string Name, string Value) Environment =>
        ("DTRAIN_CRASH_AT", $"{Directory.CreateDirectory(folder).FullName}|{string.Join(',', points.Select(static point => $"{point.Point}@{point.From}"))}");

    /// <summary>Points at which nobody has died.</summary>
    public IReadOnlyList<string> Missing => [.. points.Select(static point => point.Point).Where(point => !File.Exists(Path.Combine(folder, point)))];
}
