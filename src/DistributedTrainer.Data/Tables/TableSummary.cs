using System.Globalization;
using Sylvan.Data.Csv;

namespace DistributedTrainer.Data;

/// <summary>One column of a table as it is, whatever is in it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Missing">Cells without a value: empty, or NA, N/A, NaN, null, ?.</param>
/// <param name="Numbers">Cells with a finite number.</param>
/// <param name="Texts">Cells with something else.</param>
/// <param name="Minimum">The smallest number; null: there is none.</param>
/// <param name="Maximum">The largest number; null: there is none.</param>
/// <param name="Mean">The mean of the numbers; null: there are none.</param>
/// <param name="Values">How often each different value occurs, in the order in which classes are numbered; null: there are more than <see cref="TableSummary.MostValues"/>.</param>
public sealed record ColumnSummary(string Name, long Missing, long Numbers, long Texts, double? Minimum, double? Maximum, double? Mean, IReadOnlyList<KeyValuePair<string, long>>? Values);

/// <summary>What is in a CSV or Parquet file, without asking that it be fit for training: one pass, little memory.</summary>
/// <param name="Source">As it was named.</param>
/// <param name="Rows">Rows under the header line.</param>
/// <param name="Ragged">Rows with another number of fields than the header; they are not counted below.</param>
/// <param name="Columns">In file order.</param>
public sealed record TableSummary(string Source, long Rows, long Ragged, IReadOnlyList<ColumnSummary> Columns)
{
    /// <summary>Different values that are counted; a column with more is no class.</summary>
    public const int MostValues = 100;

    /// <summary>Reads a CSV file with a header line, a Parquet file, or an embedded data set.</summary>
    /// <param name="source">An embedded name or a path.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Told where the file cannot be read.</param>
    /// <param name="format">How a text file is read; null: as usual.</param>
    public static TableSummary? Read(string source, string baseDirectory, ICollection<string> problems, TableFormat? format = null)
    {
        var kind = ParquetSource.Is(source) ? "Parquet" : "CSV";
        try
        {
            using var stream = DatasetReader.Open(source, baseDirectory, new ProblemLog(problems));
            return stream is null ? null
                : stream is FileStream file && ParquetSource.Is(source) ? OfParquet(source, file.Name)
                : OfCsv(source, stream, format ?? new TableFormat());
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or CsvFormatException or CsvRecordTooLargeException or CsvMissingHeadersException or InvalidDataException)
        {
            problems.Add($"{source}: this is no {kind} file that can be read: {problem.Message}");
            return null;
        }
    }

    private static TableSummary OfParquet(string source, string path)
    {
        var (rows, columns) = (0L, Array.Empty<Counter>());
        ParquetSource.Visit(
            path,
            names => columns = Array.ConvertAll(names, static name => new Counter(name)),
            row =>
            {
                rows++;
                for (var column = 0; column < columns.Length; column++)
                {
                    columns[column].Add(row.Text(column).Trim());
                }
            });
        return new TableSummary(source, rows, 0, [.. columns.Select(static column => column.Result())]);
    }

    private static TableSummary OfCsv(string source, Stream stream, TableFormat format)
    {
        using var text = new StreamReader(stream);
        using var csv = CsvDataReader.Create(text, CsvSource.Options(format));
        var columns = Enumerable.Range(0, csv.FieldCount).Select(column => new Counter(csv.GetName(column).Trim())).ToArray();
        var (rows, ragged) = (0L, 0L);
        while (csv.Read())
        {
            if (csv.RowFieldCount == 0 || (csv.RowFieldCount == 1 && csv.GetFieldSpan(0).IsWhiteSpace()))
            {
                continue;
            }

            rows++;
            if (csv.RowFieldCount != columns.Length)
            {
                ragged++;
                continue;
            }

            for (var column = 0; column < columns.Length; column++)
            {
                columns[column].Add(csv.GetFieldSpan(column).Trim());
            }
        }

        return new TableSummary(source, rows, ragged, [.. columns.Select(static column => column.Result())]);
    }

    private sealed class Counter(string name)
    {
        private readonly Dictionary<string, long> _values = [];
        private long _missing;
        private long _numbers;
        private long _texts;
        private double _sum;
        private double _minimum = double.PositiveInfinity;
        private double _maximum = double.NegativeInfinity;
        private bool _many;

        public void Add(ReadOnlySpan<char> cell)
        {
            if (DataTable.IsMissing(cell))
            {
                _missing++;
                return;
            }

            if (double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
            {
                _numbers++;
                _sum += number;
                (_minimum, _maximum) = (Math.Min(_minimum, number), Math.Max(_maximum, number));
            }
            else
            {
                _texts++;
            }

            if (!_many)
            {
                var value = cell.ToString();
                _values[value] = _values.GetValueOrDefault(value) + 1;
                _many = _values.Count > MostValues;
            }
        }

        public ColumnSummary Result()
        {
            // 1 and 1.0 are one class.
            var (names, numbers) = _many ? ([], []) : Categories.Order([.. _values.Keys]);
            var counts = new long[names.Length];
            foreach (var (at, count) in (_many ? [] : _values.Values.ToArray()).Index())
            {
                counts[numbers[at]] += count;
            }

            return new ColumnSummary(
                name, _missing, _numbers, _texts,
                _numbers > 0 ? _minimum : null, _numbers > 0 ? _maximum : null, _numbers > 0 ? _sum / _numbers : null,
                _many ? null : [.. names.Zip(counts, KeyValuePair.Create)]);
        }
    }
}
