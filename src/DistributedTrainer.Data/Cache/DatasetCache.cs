using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DistributedTrainer.Data;

/// <summary>
/// Large tables as rows of float32 in a file of the cache, made once for each content and meaning of its columns, and
/// mapped from there.
/// </summary>
internal static class DatasetCache
{
    // Changes when what is written does.
    private const string Version = "1";

    /// <summary>Takes a data set out of the cache, or reads it into it.</summary>
    /// <param name="sources">How it is read.</param>
    /// <param name="files">Its files.</param>
    /// <param name="read">Reads it, and hands the cells to the sink.</param>
    /// <param name="problems">Receives what is wrong with the cache.</param>
    public static Dataset? Read(DataSources sources, string[] files, Func<CellSink, Dataset?> read, ProblemLog problems)
    {
        try
        {
            using var entry = DataCache.Enter($"table-{KeyOf(sources, files)}");
            return entry.IsComplete || Write(entry, read) ? Open(entry, sources.Training) : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{sources.Training}: the file is larger than is held in memory, and cannot be unpacked into {DataCache.Folder}: {problem.Message} Make room there, or name another folder in DTRAIN_CACHE.");
            return null;
        }
    }

    private static string KeyOf(DataSources sources, string[] files)
    {
        string?[] parts =
        [
            Version, .. files.Select(FileDigest.Of), sources.Training, sources.Validation, sources.Test, sources.Target, sources.Task?.ToString(),
            sources.Format.Separator?.ToString(), sources.Format.Quote.ToString(), sources.Format.Missing.ToString(), .. sources.TextColumns,
        ];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(parts))));
    }

    private static bool Write(CacheEntry entry, Func<CellSink, Dataset?> read)
    {
        Dataset? dataset;
        using (var cells = entry.Create("cells"))
        {
            dataset = read(new CellSink(cells));
        }

        if (dataset is null)
        {
            return false;
        }

        using (var targets = entry.Create("targets"))
        {
            targets.Write(dataset.Task == DataTask.Classification ? MemoryMarshal.AsBytes(dataset.Labels.AsSpan()) : MemoryMarshal.AsBytes(dataset.Values.AsSpan()));
        }

        using (var description = entry.Create("dataset.json"))
        {
            JsonSerializer.Serialize(description, new Stored(
                [.. dataset.FeatureNames], dataset.TargetName, dataset.Texts.ToDictionary(static pair => pair.Key, static pair => pair.Value.ToArray()), dataset.Task,
                [.. dataset.ClassNames], dataset.Sha256, dataset.Rows, dataset.ValidationRows, dataset.TestRows, [.. dataset.Ends]));
        }

        entry.Complete();
        return true;
    }

    private static Dataset Open(CacheEntry entry, string name)
    {
        using var description = File.OpenRead(entry.File("dataset.json"));
        var stored = JsonSerializer.Deserialize<Stored>(description) ?? throw new IOException($"{entry.File("dataset.json")} is empty; delete its folder.");
        var (targets, isClass) = (File.ReadAllBytes(entry.File("targets")), stored.Task == DataTask.Classification);
        return new Dataset
        {
            Name = name,
            FeatureNames = stored.FeatureNames,
            TargetName = stored.TargetName,
            Features = new FeatureTable(stored.FeatureNames.Length, RowBlock.OfFloats(MappedFile.Open(entry.File("cells")), stored.Rows, stored.FeatureNames.Length)),
            Texts = stored.Texts.ToDictionary(static pair => pair.Key, static pair => (IReadOnlyList<string>)pair.Value),
            Task = stored.Task,
            Labels = isClass ? MemoryMarshal.Cast<byte, int>(targets).ToArray() : [],
            Values = isClass ? [] : MemoryMarshal.Cast<byte, float>(targets).ToArray(),
            ClassNames = stored.ClassNames,
            Sha256 = stored.Sha256,
            ValidationRows = stored.ValidationRows,
            TestRows = stored.TestRows,
            Ends = stored.Ends,
        };
    }

    private sealed record Stored(
        string[] FeatureNames, string TargetName, Dictionary<int, string[]> Texts, DataTask Task, string[] ClassNames, string Sha256, int Rows, int ValidationRows, int TestRows, float[][] Ends);
}
