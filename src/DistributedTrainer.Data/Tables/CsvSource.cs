using System.Security.Cryptography;
using System.Text;
using Sylvan.Data.Csv;

namespace DistributedTrainer.Data;

/// <summary>Reads CSV text row by row.</summary>
internal static class CsvSource
{
    // Characters of the widest row that is read.
    private const int LongestRow = 1 << 24;

    /// <summary>How the text is read.</summary>
    public static CsvDataReaderOptions Options(TableFormat format) => new()
    {
        HasHeaders = true,
        MaxBufferSize = LongestRow,
        Delimiter = format.Separator,
        Quote = format.Quote,
        Escape = format.Quote,
    };

    /// <summary>Adds a file's rows to a table. What is wrong with it goes to the table's problems.</summary>
    public static void Read(string source, Stream stream, TableFormat format, DataTable table)
    {
        using var hash = SHA256.Create();
        using var hashed = new CryptoStream(stream, hash, CryptoStreamMode.Read);
        var (problems, before) = (table.Problems, table.Rows);
        try
        {
            using var text = new StreamReader(hashed, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, leaveOpen: true);
            using var csv = CsvDataReader.Create(text, Options(format));
            var header = Enumerable.Range(0, csv.FieldCount).Select(column => csv.GetName(column).Trim()).ToArray();
            if (header is [] or [""])
            {
                problems.Add($"{source}: the file is empty. It needs a header line and rows.");
            }
            else if (table.Begin(source, header))
            {
                ReadRows(source, csv, header.Length, table);
                table.End(source, before);
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
            table.Sha256.Add(Convert.ToHexStringLower(hash.Hash!));
        }
    }

    private static void ReadRows(string source, CsvDataReader csv, int columns, DataTable table)
    {
        var row = new Row(csv);

        // A quoted field may hold line breaks: the line's number is not the row's.
        var line = 2L + Enumerable.Range(0, csv.FieldCount).Sum(column => csv.GetName(column).Count(static c => c == '\n'));
        while (!table.Problems.Full && csv.Read())
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

            if (csv.RowFieldCount != columns)
            {
                table.Problems.Add($"{source}:{start}: the line has {csv.RowFieldCount} fields, the header {columns}. Is a comma in a text that is not quoted, or a field missing?");
                continue;
            }

            row.Place = new Place(source, start, IsLine: true);
            table.Add(row);
        }
    }

    private sealed class Row(CsvDataReader csv) : ITableRow
    {
        public Place Place { get; set; }

        public ReadOnlySpan<char> Text(int column) => csv.GetFieldSpan(column);

        public bool TryNumber(int column, out float value) => DataTable.TryNumber(csv.GetFieldSpan(column), out value);
    }
}
