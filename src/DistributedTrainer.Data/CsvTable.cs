using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Sylvan.Data.Csv;

namespace DistributedTrainer.Data;

/// <summary>What a CSV file holds, before it is known whether its target is a class or a number.</summary>
internal sealed class CsvTable(string? target, ProblemLog problems)
{
    // Rows of the widest tables: a million columns of some ten characters.
    private const int LongestRow = 1 << 24;

    private int[] _places = [];

    public string[] FeatureNames { get; private set; } = [];

    public string TargetName { get; private set; } = "";

    public List<float> Features { get; } = [];

    public TextColumn Target { get; } = new();

    public string Sha256 { get; private set; } = "";

    /// <summary>Reads the file row by row. What is wrong with it goes to the problems.</summary>
    public void Read(string source, Stream stream)
    {
        using var hash = SHA256.Create();
        using var hashed = new CryptoStream(stream, hash, CryptoStreamMode.Read);
        try
        {
            using var text = new StreamReader(hashed, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, leaveOpen: true);
            using var csv = CsvDataReader.Create(text, new CsvDataReaderOptions { HasHeaders = true, MaxBufferSize = LongestRow });
            if (ReadHeader(source, csv))
            {
                ReadRows(source, csv);
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
            Sha256 = Convert.ToHexStringLower(hash.Hash!);
        }
    }

    private bool ReadHeader(string source, CsvDataReader csv)
    {
        var header = Enumerable.Range(0, csv.FieldCount).Select(column => csv.GetName(column).Trim()).ToArray();
        if (header is [] or [""])
        {
            problems.Add($"{source}: the file is empty. It needs a header line and rows.");
            return false;
        }

        foreach (var name in header.CountBy(static name => name).Where(static pair => pair.Value > 1).Select(static pair => pair.Key))
        {
            var columns = string.Join(" and ", Enumerable.Range(0, header.Length).Where(column => header[column] == name).Select(static column => column + 1));
            problems.Add($"{source}:1: the columns {columns} have the same name '{name}'. Give each column a name of its own.");
        }

        var targetColumn = target is null ? header.Length - 1 : Array.IndexOf(header, target);
        if (targetColumn < 0)
        {
            problems.Add($"{source}: data.target names the column '{target}', which does not exist. The columns are {string.Join(", ", header.Take(12))}{(header.Length > 12 ? ", …" : "")}.");
        }
        else if (header.Length < 2)
        {
            problems.Add($"{source}: there is only the column '{header[0]}'. A table needs at least one feature and a target; is the separator a comma, semicolon or tab?");
        }

        if (problems.Any)
        {
            return false;
        }

        TargetName = header[targetColumn];
        FeatureNames = [.. header.Where((_, column) => column != targetColumn)];
        _places = [.. Enumerable.Range(0, header.Length).Select(column => column == targetColumn ? -1 : column > targetColumn ? column - 1 : column)];
        return true;
    }

    private void ReadRows(string source, CsvDataReader csv)
    {
        // A quoted field may hold line breaks: the line's number is not the row's.
        var line = 2 + Enumerable.Range(0, csv.FieldCount).Sum(column => csv.GetName(column).Count(static c => c == '\n'));
        var row = new float[FeatureNames.Length];
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

            if (csv.RowFieldCount != _places.Length)
            {
                problems.Add($"{source}:{start}: the line has {csv.RowFieldCount} fields, the header {_places.Length}. Is a comma in a text that is not quoted, or a field missing?");
                continue;
            }

            for (var column = 0; column < _places.Length; column++)
            {
                if (_places[column] < 0)
                {
                    Target.Add(csv.GetFieldSpan(column), source, start);
                }
                else
                {
                    row[_places[column]] = Number(csv.GetFieldSpan(column), source, start, FeatureNames[_places[column]]);
                }
            }

            Features.AddRange(row);
        }

        if (Target.Codes.Count == 0 && !problems.Any)
        {
            problems.Add($"{source}: there is a header line but no row under it. Add rows.");
        }
    }

    private float Number(ReadOnlySpan<char> text, string source, int line, string column)
    {
        if (!TryNumber(text, out var value))
        {
            problems.Add(NoNumber(text, $"{source}:{line}", column));
        }

        return value;
    }

    public static bool TryNumber(ReadOnlySpan<char> text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    public static string NoNumber(ReadOnlySpan<char> text, string place, string column) =>
        $"{place}: column {column} holds '{text}', where a finite number belongs{(text.Contains(',') ? " (write a decimal point, not a comma)" : "")}. Correct the value, or remove the column.";
}
