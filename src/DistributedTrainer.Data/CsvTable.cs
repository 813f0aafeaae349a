using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Sylvan.Data.Csv;

namespace DistributedTrainer.Data;

/// <summary>
/// What CSV files hold, before it is known whether their target is a class or a number. The first file decides on the
/// columns; the others must have the same, in any order.
/// </summary>
internal sealed class CsvTable(string? target, IReadOnlyList<string> textColumns, ProblemLog problems)
{
    // Characters of the widest row that is read.
    private const int LongestRow = 1 << 24;

    // Places of columns that are no features.
    private const int IsTarget = -1;
    private const int Ignored = -2;

    private readonly List<float> _cells = [];

    // Where the columns are known before the first file is read, others beside them do not matter.
    private bool _isKnown;

    /// <summary>Columns other than the target.</summary>
    public string[] FeatureNames { get; private set; } = [];

    public string TargetName { get; private set; } = "";

    /// <summary>Features that are read as text, by column.</summary>
    public Dictionary<int, TextColumn> Texts { get; } = [];

    public TextColumn Target { get; } = new();

    /// <summary>Cells of each file; those of text columns are indices into the column's texts.</summary>
    public List<float[]> Parts { get; } = [];

    /// <summary>SHA-256 of each file.</summary>
    public List<string> Sha256 { get; } = [];

    /// <summary>A table of which only these columns are read, wherever they stand.</summary>
    /// <param name="features">In the order in which they are wanted.</param>
    /// <param name="textColumns">Those of them that are read as text.</param>
    /// <param name="target">Null: there is none, or it does not matter.</param>
    /// <param name="problems">Receives what is wrong.</param>
    public static CsvTable OfKnown(IReadOnlyList<string> features, IReadOnlyList<string> textColumns, string? target, ProblemLog problems)
    {
        var table = new CsvTable(target, textColumns, problems) { FeatureNames = [.. features], TargetName = target ?? "", _isKnown = true };
        foreach (var name in textColumns)
        {
            table.Texts.Add(Array.IndexOf(table.FeatureNames, name), new TextColumn());
        }

        return table;
    }

    /// <summary>Reads a file row by row. What is wrong with it goes to the problems.</summary>
    public void Read(string source, Stream stream)
    {
        using var hash = SHA256.Create();
        using var hashed = new CryptoStream(stream, hash, CryptoStreamMode.Read);
        try
        {
            using var text = new StreamReader(hashed, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, leaveOpen: true);
            using var csv = CsvDataReader.Create(text, new CsvDataReaderOptions { HasHeaders = true, MaxBufferSize = LongestRow });
            if (ReadHeader(source, csv) is { } places)
            {
                ReadRows(source, csv, places);
            }
        }
        catch (Exception problem) when (problem is CsvFormatException or CsvRecordTooLargeException or CsvMissingHeadersException or InvalidDataException or DecoderFallbackException)
        {
            problems.Add(problem switch
            {
                CsvMissingHeadersException => $"{source}: the file is empty. It needs a header line and rows.",
                DecoderFallbackException => $"{source}: the text is not UTF-8. Save the file as UTF-8.",
                _ => $"{source}: this is no CSV file that can be read: {problem.Message}",
            });
        }

        if (!problems.Any)
        {
            hashed.CopyTo(Stream.Null);
            Sha256.Add(Convert.ToHexStringLower(hash.Hash!));
            Parts.Add([.. _cells]);
            _cells.Clear();
        }
    }

    public static bool TryNumber(ReadOnlySpan<char> text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    public static string NoNumber(ReadOnlySpan<char> text, string place, string column) =>
        $"{place}: column {column} holds '{text}', where a finite number belongs{(text.Contains(',') ? " (write a decimal point, not a comma)" : "")}. Correct the value, or remove the column.";

    /// <summary>For each of the file's columns its place among the features, or that it is none; null where the header is wrong.</summary>
    private int[]? ReadHeader(string source, CsvDataReader csv)
    {
        var header = Enumerable.Range(0, csv.FieldCount).Select(column => csv.GetName(column).Trim()).ToArray();
        if (header is [] or [""])
        {
            problems.Add($"{source}: the file is empty. It needs a header line and rows.");
            return null;
        }

        foreach (var name in header.CountBy(static name => name).Where(static pair => pair.Value > 1).Select(static pair => pair.Key))
        {
            var columns = string.Join(" and ", Enumerable.Range(0, header.Length).Where(column => header[column] == name).Select(static column => column + 1));
            problems.Add($"{source}:1: the columns {columns} have the same name '{name}'. Give each column a name of its own.");
        }

        if (FeatureNames.Length == 0)
        {
            ChooseColumns(source, header);
        }
        else
        {
            string[] expected = _isKnown && target is null ? FeatureNames : [.. FeatureNames, TargetName];
            var others = _isKnown ? [] : header.Except(expected);
            var different = expected.Except(header).Select(static name => $"lacks '{name}'").Concat(others.Select(static name => $"has '{name}'")).Take(6).ToArray();
            if (different.Length > 0)
            {
                problems.Add($"{source}:1: the columns are not those of the training file: this one {string.Join(", ", different)}. Give all files the same columns.");
            }
        }

        return problems.Any ? null : Array.ConvertAll(header, name =>
            Array.IndexOf(FeatureNames, name) is >= 0 and var place ? place : _isKnown && name != target ? Ignored : IsTarget);
    }

    private void ChooseColumns(string source, string[] header)
    {
        var known = $"The columns are {string.Join(", ", header.Take(12))}{(header.Length > 12 ? ", …" : "")}.";
        TargetName = target ?? header[^1];
        FeatureNames = [.. header.Where(name => name != TargetName)];
        if (!header.Contains(TargetName))
        {
            problems.Add($"{source}: data.target names the column '{target}', which does not exist. {known}");
        }
        else if (header.Length < 2)
        {
            problems.Add($"{source}: there is only the column '{header[0]}'. A table needs at least one feature and a target; is the separator a comma, semicolon or tab?");
        }

        foreach (var name in textColumns.Distinct())
        {
            var column = Array.IndexOf(FeatureNames, name);
            if (column >= 0)
            {
                Texts.Add(column, new TextColumn());
            }
            else
            {
                problems.Add(name == TargetName
                    ? $"{source}: one-hot names the column '{name}', which is the target. Name features only; the classes are numbered without it."
                    : $"{source}: one-hot names the column '{name}', which does not exist. {known}");
            }
        }
    }

    private void ReadRows(string source, CsvDataReader csv, int[] places)
    {
        var texts = Array.ConvertAll(places, place => place == IsTarget ? Target : Texts.GetValueOrDefault(place));
        var row = new float[FeatureNames.Length];

        // A quoted field may hold line breaks: the line's number is not the row's.
        var line = 2 + Enumerable.Range(0, csv.FieldCount).Sum(column => csv.GetName(column).Count(static c => c == '\n'));
        while (!problems.Full && csv.Read())
        {
            var start = line++;
            for (var column = 0; column < csv.RowFieldCount; column++)
            {
                line += csv.GetFieldSpan(column).Count('\n');
            }

            if (csv.RowFieldCount == 0 || (csv.RowFieldCount == 1 && csv.GetFieldSpan(0).IsWhiteSpace()))
            {
                continue;
            }

            if (csv.RowFieldCount != places.Length)
            {
                problems.Add($"{source}:{start}: the line has {csv.RowFieldCount} fields, the header {places.Length}. Is a comma in a text that is not quoted, or a field missing?");
                continue;
            }

            for (var column = 0; column < places.Length; column++)
            {
                if (places[column] == Ignored)
                {
                    continue;
                }

                var field = csv.GetFieldSpan(column);
                var value = 0f;
                if (texts[column] is { } text)
                {
                    value = text.Add(field, source, start);
                }
                else if (!TryNumber(field, out value))
                {
                    problems.Add(NoNumber(field, $"{source}:{start}", FeatureNames[places[column]]));
                }

                if (places[column] >= 0)
                {
                    row[places[column]] = value;
                }
            }

            _cells.AddRange(row);
        }

        if (_cells.Count == 0 && !problems.Any)
        {
            problems.Add($"{source}: there is a header line but no row under it. Add rows.");
        }
    }
}
