using System.Globalization;
using System.Security.Cryptography;
using Sylvan.Data.Csv;

namespace DistributedTrainer.Data;

/// <summary>Reads embedded data sets and CSV files. Everything that is wrong with the data is reported, up to a limit, not just the first.</summary>
public static class DatasetReader
{
    // A file of the wrong kind has a problem in every cell; a person reads a few.
    private const int ProblemLimit = 10;

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
        var bytes = Load(source, baseDirectory, problems);
        if (bytes is null)
        {
            return null;
        }

        var before = problems.Count;
        var (header, rows) = Parse(source, bytes, problems);
        if (header.Count == 0 || problems.Count > before)
        {
            return null;
        }

        var targetColumn = FindTarget(source, header, target, problems);
        if (targetColumn < 0)
        {
            return null;
        }

        if (header.Count < 2 || rows.Count == 0)
        {
            problems.Add(rows.Count == 0
                ? $"{source}: there is a header line but no row under it. Add rows."
                : $"{source}: there is only the column '{header[0]}'. A table needs at least one feature and a target; is the separator a comma, semicolon or tab?");
            return null;
        }

        return Build(source, header, rows, targetColumn, task, Convert.ToHexStringLower(SHA256.HashData(bytes)), problems);
    }

    private static byte[]? Load(string source, string baseDirectory, ICollection<string> problems)
    {
        if (EmbeddedNames.Contains(source))
        {
            using var stream = typeof(DatasetReader).Assembly.GetManifestResourceStream(source + ".csv")!;
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            return copy.ToArray();
        }

        var path = Path.Combine(baseDirectory, source);
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            problems.Add(problem is FileNotFoundException or DirectoryNotFoundException
                ? $"{source}: there is no file {Path.GetFullPath(path)}. Write the path relative to the experiment file, or one of {string.Join(", ", EmbeddedNames)}."
                : $"{source}: {Path.GetFullPath(path)} cannot be read: {problem.Message}");
            return null;
        }
    }

    private static (IReadOnlyList<string> Header, List<string[]> Rows) Parse(string source, byte[] bytes, ICollection<string> problems)
    {
        var rows = new List<string[]>();
        try
        {
            using var reader = new StreamReader(new MemoryStream(bytes));
            using var csv = CsvDataReader.Create(reader, new CsvDataReaderOptions { HasHeaders = true, Culture = CultureInfo.InvariantCulture });
            var header = Enumerable.Range(0, csv.FieldCount).Select(csv.GetName).ToArray();
            if (header.Length == 0)
            {
                problems.Add($"{source}: the file is empty. It needs a header line and rows.");
            }

            while (csv.Read())
            {
                if (csv.RowFieldCount == 1 && csv.GetString(0).Length == 0)
                {
                    continue;
                }

                if (csv.RowFieldCount != header.Length)
                {
                    problems.Add($"{source}:{csv.RowNumber + 1}: the line has {csv.RowFieldCount} fields, the header {header.Length}.");
                    if (problems.Count >= ProblemLimit)
                    {
                        break;
                    }

                    continue;
                }

                rows.Add([.. Enumerable.Range(0, header.Length).Select(csv.GetString)]);
            }

            return (header, rows);
        }
        catch (Exception problem) when (problem is CsvFormatException or InvalidDataException or System.Text.DecoderFallbackException or CsvMissingHeadersException)
        {
            problems.Add(problem is CsvMissingHeadersException
                ? $"{source}: the file is empty. It needs a header line and rows."
                : $"{source}: this is no CSV file that can be read: {problem.Message}");
            return ([], rows);
        }
    }

    private static int FindTarget(string source, IReadOnlyList<string> header, string? target, ICollection<string> problems)
    {
        if (target is null)
        {
            return header.Count - 1;
        }

        for (var i = 0; i < header.Count; i++)
        {
            if (header[i] == target)
            {
                return i;
            }
        }

        problems.Add($"{source}: data.target names the column '{target}', which does not exist. The columns are {string.Join(", ", header.Take(12))}{(header.Count > 12 ? ", …" : "")}.");
        return -1;
    }

    private static Dataset? Build(
        string source, IReadOnlyList<string> header, List<string[]> rows, int targetColumn, DataTask? task, string sha256, ICollection<string> problems)
    {
        var before = problems.Count;
        var columns = Enumerable.Range(0, header.Count).Where(column => column != targetColumn).ToArray();
        var features = new float[rows.Count * columns.Length];
        for (var row = 0; row < rows.Count && problems.Count - before < ProblemLimit; row++)
        {
            for (var i = 0; i < columns.Length; i++)
            {
                features[(row * columns.Length) + i] = Number(source, row, header[columns[i]], rows[row][columns[i]], problems);
            }
        }

        var texts = rows.ConvertAll(row => row[targetColumn].Trim());
        var actual = task ?? Infer(texts);
        var values = Array.Empty<float>();
        if (actual == DataTask.Regression)
        {
            values = new float[rows.Count];
            for (var row = 0; row < rows.Count && problems.Count - before < ProblemLimit; row++)
            {
                values[row] = Number(source, row, header[targetColumn], texts[row], problems);
            }
        }
        else
        {
            for (var row = 0; row < rows.Count && problems.Count - before < ProblemLimit; row++)
            {
                if (texts[row].Length == 0)
                {
                    problems.Add($"{source}:{row + 2}: column {header[targetColumn]} is empty; a class belongs there. Fill it in or remove the line.");
                }
            }
        }

        var classes = actual == DataTask.Classification ? Classes(texts) : [];
        var numbers = classes.Select(static (name, index) => (name, index)).ToDictionary(static pair => pair.name, static pair => pair.index);
        return problems.Count > before ? null : new Dataset
        {
            Name = source,
            FeatureNames = [.. columns.Select(column => header[column])],
            TargetName = header[targetColumn],
            Features = features,
            Task = actual,
            Labels = actual == DataTask.Classification ? [.. texts.Select(text => numbers[text])] : [],
            Values = values,
            ClassNames = classes,
            Sha256 = sha256,
        };
    }

    private static float Number(string source, int row, string column, string text, ICollection<string> problems)
    {
        if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && float.IsFinite(value))
        {
            return value;
        }

        // Line 1 is the header.
        problems.Add($"{source}:{row + 2}: column {column} holds '{text}', where a finite number belongs{(text.Contains(',') ? " (write a decimal point, not a comma)" : "")}. Correct the value, or remove the column.");
        return 0;
    }

    private static DataTask Infer(List<string> texts)
    {
        var different = texts.Distinct().Select(static text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN).ToArray();
        var numbers = different.All(double.IsFinite);
        var fewIntegers = different.Length <= MaximumIntegerClasses && different.All(static value => value == Math.Floor(value));
        return numbers && !fewIntegers ? DataTask.Regression : DataTask.Classification;
    }

    private static string[] Classes(IEnumerable<string> texts)
    {
        var different = texts.Distinct().ToArray();
        return different.All(static text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            ? [.. different.OrderBy(static text => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)).ThenBy(static text => text, StringComparer.Ordinal)]
            : [.. different.Order(StringComparer.Ordinal)];
    }
}
