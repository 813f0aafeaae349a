using System.Runtime.InteropServices;

namespace DistributedTrainer.Data.Tests;

/// <summary>Small data sets made in memory, or read from a text as a file.</summary>
internal static class Tables
{
    public static Dataset WithFeatures(params float[][] rows) => new()
    {
        Name = "made",
        FeatureNames = [.. Enumerable.Range(0, rows[0].Length).Select(static column => $"x{column}")],
        TargetName = "y",
        Features = new FeatureTable(rows[0].Length, rows.SelectMany(static row => row).ToArray()),
        Task = DataTask.Regression,
        Values = new float[rows.Length],
        Sha256 = "",
    };

    public static Dataset WithLabels(params int[] labels) => new()
    {
        Name = "made",
        FeatureNames = ["x"],
        TargetName = "y",
        Features = new FeatureTable(1, labels.Select(static (_, row) => (float)row).ToArray()),
        Task = DataTask.Classification,
        Labels = labels,
        ClassNames = [.. Enumerable.Range(0, labels.Max() + 1).Select(static label => $"class{label}")],
        Sha256 = "",
    };

    public static float[] Row(Dataset dataset, int row)
    {
        var values = new float[dataset.FeatureCount];
        dataset.Features.CopyRow(row, values);
        return values;
    }

    public static float[] Row(PreparedData data, Subset subset, int row)
    {
        var (values, again) = (new float[data.InputShape.Elements], new float[2 * data.InputShape.Elements]);
        subset.CopyRow(row, values);
        subset.CopyRows([row, row], again);
        AssertBits([.. values, .. values], again);
        return values;
    }

    public static void AssertBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) =>
        Assert.Equal(MemoryMarshal.Cast<float, int>(expected).ToArray(), MemoryMarshal.Cast<float, int>(actual).ToArray());

    public static float[] Apply(Preprocessor preprocessor, Dataset dataset, int row)
    {
        var transform = preprocessor.For(dataset);
        var values = new float[transform.Width];
        transform.Apply(Row(dataset, row), values);
        return values;
    }

    public static Dataset Read(string csv, string? target = null, DataTask? task = null)
    {
        var (dataset, problems) = TryRead(csv, target, task);
        Assert.Empty(problems);
        return dataset!;
    }

    public static List<string> Problems(string csv, string? target = null, DataTask? task = null)
    {
        var (dataset, problems) = TryRead(csv, target, task);
        Assert.Null(dataset);
        return problems;
    }

    private static (Dataset? Dataset, List<string> Problems) TryRead(string csv, string? target, DataTask? task)
    {
        using var folder = new TemporaryFolder();
        folder.Write("data.csv", csv);
        var problems = new List<string>();
        return (DatasetReader.Read("data.csv", target, task, folder.Path, problems), problems);
    }
}

internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("data-tests-").FullName;

    public void Write(string name, string text) => File.WriteAllText(System.IO.Path.Combine(Path, name), text);

    public void Write(string name, byte[] bytes) => File.WriteAllBytes(System.IO.Path.Combine(Path, name), bytes);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
