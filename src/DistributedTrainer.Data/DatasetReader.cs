using System.Globalization;

namespace DistributedTrainer.Data;

/// <summary>Reads embedded data sets and CSV files. Everything that is wrong with the data is reported, up to a limit, not just the first.</summary>
public static class DatasetReader
{
    // Integers as targets are classes while there are few different ones.
    private const int MaximumIntegerClasses = 20;

    /// <summary>The data sets that come with the trainer.</summary>
    public static IReadOnlyList<string> EmbeddedNames { get; } = ["digits", "iris", "wine", "breast-cancer", "diabetes"];

    /// <summary>Reads a data set.</summary>
    /// <param name="source">An embedded name, or the path of a CSV file with a header line.</param>
    /// <param name="target">The target's column; null: the last one.</param>
    /// <param name="task">Null: classification where the target is text or a few integers.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static Dataset? Read(string source, string? target, DataTask? task, string baseDirectory, ICollection<string> problems)
    {
        var log = new ProblemLog(problems);
        var table = new CsvTable(target, log);
        try
        {
            using var stream = Open(source, baseDirectory, log);
            if (stream is not null)
            {
                table.Read(source, stream);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            log.Add($"{source}: the file cannot be read: {problem.Message}");
        }

        return log.Any ? null : Build(source, table, task, log);
    }

    private static Stream? Open(string source, string baseDirectory, ProblemLog problems)
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
            ? $"{source}: {path} is a folder. Name a file in it."
            : $"{source}: there is no file {path}. Write the path relative to the experiment file, or one of {string.Join(", ", EmbeddedNames)}.");
        return null;
    }

    private static Dataset? Build(string source, CsvTable table, DataTask? task, ProblemLog problems)
    {
        var target = table.Target;
        var actual = task ?? Infer(target.Texts);
        var (classes, numbers) = actual == DataTask.Classification ? Categories.Order(target.Texts) : ([], []);
        var values = new float[target.Texts.Count];
        for (var code = 0; code < target.Texts.Count; code++)
        {
            if (actual == DataTask.Regression && !CsvTable.TryNumber(target.Texts[code], out values[code]))
            {
                problems.Add(CsvTable.NoNumber(target.Texts[code], target.Places[code], table.TargetName));
            }
            else if (target.Texts[code].Length == 0)
            {
                problems.Add($"{target.Places[code]}: column {table.TargetName} is empty; a class belongs there. Fill it in or remove the line.");
            }
        }

        return problems.Any ? null : new Dataset
        {
            Name = source,
            FeatureNames = table.FeatureNames,
            TargetName = table.TargetName,
            Features = [.. table.Features],
            Task = actual,
            Labels = actual == DataTask.Classification ? [.. target.Codes.Select(code => numbers[code])] : [],
            Values = actual == DataTask.Regression ? [.. target.Codes.Select(code => values[code])] : [],
            ClassNames = classes,
            Sha256 = table.Sha256,
        };
    }

    private static DataTask Infer(List<string> texts)
    {
        // A missing value says nothing of what the others are; it is reported later.
        var values = texts.Where(static text => text.Length > 0)
            .Select(static text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN)
            .Distinct().ToArray();
        var fewIntegers = values.Length <= MaximumIntegerClasses && values.All(static value => value == Math.Floor(value));
        return values.All(double.IsFinite) && !fewIntegers ? DataTask.Regression : DataTask.Classification;
    }
}
