using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DistributedTrainer.Data;

/// <summary>
/// Reads embedded data sets, CSV and Parquet files, folders of IDX files and folders of images. Everything that is wrong with the data is reported, up
/// to a limit, not just the first. A class that occurs in a validation or test source but not in the training source is
/// wrong: nothing could learn it.
/// </summary>
public static class DatasetReader
{
    // Integers as targets are classes while there are few different ones.
    private const int MaximumIntegerClasses = 20;

    /// <summary>The data sets that come with the trainer.</summary>
    public static IReadOnlyList<string> EmbeddedNames { get; } = ["digits", "iris", "wine", "breast-cancer", "diabetes"];

    /// <summary>Reads a data set from one source.</summary>
    /// <param name="source">An embedded name, the path of a CSV file with a header line, of a Parquet file, or of a folder with IDX files or images.</param>
    /// <param name="target">The target's column; null: the last one.</param>
    /// <param name="task">Null: classification where the target is text or a few integers.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static Dataset? Read(string source, string? target, DataTask? task, string baseDirectory, ICollection<string> problems) =>
        Read(new DataSources(source) { Target = target, Task = task }, baseDirectory, problems);

    /// <summary>Reads a data set.</summary>
    /// <param name="sources">Where the rows come from.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static Dataset? Read(DataSources sources, string baseDirectory, ICollection<string> problems)
    {
        if (MemoryData.Is(sources.Training))
        {
            return MemoryData.Read(sources, problems);
        }

        var log = new ProblemLog(problems);
        var path = Path.GetFullPath(Path.Combine(baseDirectory, sources.Training));
        if (!EmbeddedNames.Contains(sources.Training) && Directory.Exists(path))
        {
            return ImageFolder.Is(path) ? ImageFolder.Read(sources, path, log) : IdxFolder.Read(sources, path, log);
        }

        string[] files = [.. ((string?[])[sources.Training, sources.Validation, sources.Test]).OfType<string>().Where(source => !EmbeddedNames.Contains(source))
            .Select(source => Path.GetFullPath(Path.Combine(baseDirectory, source))).Where(File.Exists)];
        return files.Sum(static file => ParquetSource.Is(file) ? ParquetSource.CellBytes(file) : new FileInfo(file).Length) > sources.HeldBytes
            ? DatasetCache.Read(sources, files, cells => ReadTables(sources, baseDirectory, log, cells), log)
            : ReadTables(sources, baseDirectory, log, new CellSink());
    }

    private static Dataset? ReadTables(DataSources sources, string baseDirectory, ProblemLog log, CellSink cells)
    {
        var table = new DataTable(sources.Target, sources.TextColumns, sources.Format.Missing, log) { Cells = cells };
        var parts = new int[3];
        var trainingTexts = 0;
        foreach (var (part, source) in ((string?[])[sources.Training, sources.Validation, sources.Test]).Index())
        {
            if (source is not null && !log.Any)
            {
                var before = table.Rows;
                ReadTable(source, baseDirectory, sources.Format, table);
                parts[part] = table.Rows - before;
                trainingTexts = part == 0 ? table.Target.Texts.Count : trainingTexts;
            }
        }

        return log.Any ? null : Build(sources, table, parts, trainingTexts, log);
    }

    internal static void ReadTable(string source, string baseDirectory, TableFormat format, DataTable table)
    {
        try
        {
            using var stream = Open(source, baseDirectory, table.Problems);
            if (stream is FileStream file && ParquetSource.Is(source))
            {
                ParquetSource.Read(source, file, table);
            }
            else if (stream is not null)
            {
                CsvSource.Read(source, stream, EmbeddedNames.Contains(source) ? new TableFormat() : format, table);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            table.Problems.Add($"{source}: the file cannot be read: {problem.Message}");
        }
    }

    internal static Stream? Open(string source, string baseDirectory, ProblemLog problems)
    {
        if (EmbeddedNames.Contains(source))
        {
            return typeof(DatasetReader).Assembly.GetManifestResourceStream(source + ".csv")!;
        }

        var path = Path.GetFullPath(Path.Combine(baseDirectory, source));
        if (File.Exists(path))
        {
            return File.OpenRead(path);
        }

        problems.Add(Directory.Exists(path)
            ? $"{source}: {path} is a folder. Name a CSV or Parquet file in it."
            : $"{source}: there is no file {path}. Write the path relative to the experiment file, or one of {string.Join(", ", EmbeddedNames)}.");
        return null;
    }

    private static Dataset? Build(DataSources sources, DataTable table, int[] parts, int trainingTexts, ProblemLog problems)
    {
        var target = table.Target;
        var task = sources.Task ?? Infer(target.Texts.Take(trainingTexts));
        var (classes, numbers) = task == DataTask.Classification ? Categories.Order(target.Texts) : ([], []);
        var known = numbers.Take(trainingTexts).ToHashSet();
        var values = new float[target.Texts.Count];
        for (var code = 0; code < target.Texts.Count; code++)
        {
            if (task == DataTask.Regression)
            {
                if (!DataTable.TryNumber(target.Texts[code], out values[code]))
                {
                    problems.Add(DataTable.NoNumber(target.Texts[code], target.Places[code], table.TargetName));
                }
            }
            else if (target.Texts[code].Length == 0)
            {
                problems.Add($"{target.Places[code]}: column {table.TargetName} is empty; a class belongs there. Fill it in or remove the line.");
            }
            else if (known.Add(numbers[code]))
            {
                problems.Add($"{target.Places[code]}: column {table.TargetName} holds '{target.Texts[code]}', a class that does not occur in {sources.Training}. Remove its rows, or add some to the training file.");
            }
        }

        if (problems.Any)
        {
            return null;
        }

        var dataset = new Dataset
        {
            Name = sources.Training,
            FeatureNames = table.FeatureNames,
            TargetName = table.TargetName,
            Features = new FeatureTable(table.FeatureNames.Length, [.. table.Cells.Parts]),
            Ends = table.Cells.Ends,
            Texts = table.Texts.ToDictionary(static pair => pair.Key, static pair => (IReadOnlyList<string>)pair.Value.Texts),
            Task = task,
            Labels = task == DataTask.Classification ? [.. target.Codes.Select(code => numbers[code])] : [],
            Values = task == DataTask.Regression ? [.. target.Codes.Select(code => values[code])] : [],
            ClassNames = classes,
            Sha256 = table.Sha256 is [var only] ? only : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(table.Sha256)))),
            ValidationRows = parts[1],
            TestRows = parts[2],
        };

        // The only embedded rows that are images: shifts and convolutions need no word of the experiment on it.
        return sources.Training == "digits" && table.TargetName == "digit" ? dataset.WithShape(1, 8, 8) : dataset;
    }

    private static DataTask Infer(IEnumerable<string> texts)
    {
        // A missing value says nothing of what the others are; it is reported later.
        var values = texts.Where(static text => text.Length > 0)
            .Select(static text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN)
            .Distinct().ToArray();
        var fewIntegers = values.Length <= MaximumIntegerClasses && values.All(static value => value == Math.Floor(value));
        return values.All(double.IsFinite) && !fewIntegers ? DataTask.Regression : DataTask.Classification;
    }
}
