using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using Parquet;
using Parquet.Schema;

namespace DistributedTrainer.Data;

/// <summary>Reads Parquet files, a row group at a time. Numbers become float32, booleans 0 and 1, texts stay texts.</summary>
internal static class ParquetSource
{
    public static bool Is(string path) => path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);

    /// <summary>Bytes that the cells take as float32; 0: the file cannot be read, which reading will tell.</summary>
    public static long CellBytes(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var reader = Opened(file);
            return Enumerable.Range(0, reader.RowGroupCount).Sum(group => Group(reader, group).RowCount) * reader.Schema.Fields.Count * sizeof(float);
        }
        catch (Exception problem) when (IsOfFile(problem))
        {
            return 0;
        }
    }

    /// <summary>Adds a file's rows to a table. What is wrong with it goes to the table's problems.</summary>
    public static void Read(string source, FileStream file, DataTable table)
    {
        var (problems, before) = (table.Problems, table.Rows);
        try
        {
            var reader = Opened(file);
            foreach (var field in reader.Schema.Fields.Where(static field => !IsReadable(field)))
            {
                problems.Add($"{source}: the column '{field.Name}' holds {Kind(field)}, which cannot be read. Write it as numbers or text, or leave it out of the file.");
            }

            if (!problems.Any && table.Begin(source, [.. reader.Schema.Fields.Select(static field => field.Name)]))
            {
                var first = 1L;
                for (var group = 0; group < reader.RowGroupCount && !problems.Full; group++)
                {
                    first += ReadGroup(source, Group(reader, group), reader.Schema, first, table);
                }

                table.End(source, before);
            }
        }
        catch (Exception problem) when (IsOfFile(problem))
        {
            problems.Add($"{source}: this is no Parquet file that can be read: {problem.Message}");
        }

        if (!problems.Any)
        {
            file.Seek(0, SeekOrigin.Begin);
            table.Sha256.Add(Convert.ToHexStringLower(SHA256.HashData(file)));
        }
    }

    /// <summary>The columns' names and, row by row, the cells as texts: for a summary of what is there.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static void Visit(string path, Action<string[]> begin, Action<ITableRow> row)
    {
        using var file = File.OpenRead(path);
        try
        {
            var reader = Opened(file);
            if (reader.Schema.Fields.FirstOrDefault(static field => !IsReadable(field)) is { } other)
            {
                throw new IOException($"the column '{other.Name}' holds {Kind(other)}, which cannot be read");
            }

            begin([.. reader.Schema.Fields.Select(static field => field.Name)]);
            for (var group = 0; group < reader.RowGroupCount; group++)
            {
                var rows = new Rows(path, Group(reader, group), reader.Schema, 1);
                while (rows.Next())
                {
                    row(rows);
                }
            }
        }
        catch (Exception problem) when (problem is not IOException && IsOfFile(problem))
        {
            throw new IOException(problem.Message, problem);
        }
    }

    private static long ReadGroup(string source, ParquetRowGroupReader group, ParquetSchema schema, long first, DataTable table)
    {
        var rows = new Rows(source, group, schema, first);
        while (!table.Problems.Full && rows.Next())
        {
            table.Add(rows);
        }

        return group.RowCount;
    }

    private static ParquetReader Opened(FileStream file)
    {
        ParquetFooter.Check(file);
        return Wait(() => ParquetReader.CreateAsync(file, leaveStreamOpen: true));
    }

    // On a thread of the pool: what goes on after a wait must not need the one that waits.
    private static T Wait<T>(Func<Task<T>> reading) => Task.Run(reading).GetAwaiter().GetResult();

    private static ParquetRowGroupReader Group(ParquetReader reader, int group) => reader.OpenRowGroupReader(group);

    private static bool IsReadable(Field field) =>
        field is DataField { IsArray: false } data && (IsText(data.ClrType) || data.ClrType == typeof(bool) || IsNumber(data.ClrType));

    private static bool IsNumber(Type type) => Type.GetTypeCode(type) is >= TypeCode.SByte and <= TypeCode.Decimal;

    private static bool IsText(Type type) => type == typeof(string) || type == typeof(ReadOnlyMemory<char>);

    private static string Kind(Field field) => field is DataField { IsArray: false } data ? data.ClrType.Name : "lists or records";

    // A damaged file shows itself in many ways.
    private static bool IsOfFile(Exception problem) =>
        problem is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException or InvalidOperationException or NotSupportedException
            or OverflowException or IndexOutOfRangeException or NullReferenceException or FormatException || IsOfLibrary(problem.GetType().Assembly);

    // The reader's own, and those of what unpacks its pages.
    private static bool IsOfLibrary(System.Reflection.Assembly assembly) =>
        assembly != typeof(ParquetSource).Assembly && assembly.GetName().Name is { } name && !name.StartsWith("System", StringComparison.Ordinal);

    /// <summary>The rows of one row group; all its columns are in memory.</summary>
    private sealed class Rows : ITableRow
    {
        private readonly string _source;
        private readonly long _first;
        private readonly long _count;
        private readonly Column[] _columns;
        private int _row = -1;

        public Rows(string source, ParquetRowGroupReader group, ParquetSchema schema, long first)
        {
            (_source, _first, _count) = (source, first, group.RowCount);
            _columns = [.. schema.Fields.Select(field => Read(group, (DataField)field))];
        }

        public Place Place => new(_source, _first + _row, IsLine: false);

        public bool Next() => ++_row < _count;

        public ReadOnlySpan<char> Text(int column) => _columns[column].Text(_row);

        public bool TryNumber(int column, out float value) => _columns[column].TryNumber(_row, out value);

        private static Column Read(ParquetRowGroupReader group, DataField field) => Type.GetTypeCode(field.ClrType) switch
        {
            TypeCode.String or TypeCode.Object => new TextCells(Texts(group, field)),
            TypeCode.Boolean => new NumberCells<byte>(Array.ConvertAll(Values<bool>(group, field), static value => value is { } flag ? (byte?)(flag ? 1 : 0) : null)),
            TypeCode.SByte => Numbers<sbyte>(group, field),
            TypeCode.Byte => Numbers<byte>(group, field),
            TypeCode.Int16 => Numbers<short>(group, field),
            TypeCode.UInt16 => Numbers<ushort>(group, field),
            TypeCode.Int32 => Numbers<int>(group, field),
            TypeCode.UInt32 => Numbers<uint>(group, field),
            TypeCode.Int64 => Numbers<long>(group, field),
            TypeCode.UInt64 => Numbers<ulong>(group, field),
            TypeCode.Single => Numbers<float>(group, field),
            TypeCode.Double => Numbers<double>(group, field),
            _ => Numbers<decimal>(group, field),
        };

        private static string?[] Texts(ParquetRowGroupReader group, DataField field)
        {
            var texts = new string?[group.RowCount];
            Task.Run(async () => await group.ReadAsync(field, texts.AsMemory()!)).GetAwaiter().GetResult();
            return texts;
        }

        private static NumberCells<T> Numbers<T>(ParquetRowGroupReader group, DataField field)
            where T : struct, INumber<T> => new(Values<T>(group, field));

        private static T?[] Values<T>(ParquetRowGroupReader group, DataField field)
            where T : struct
        {
            if (field.IsNullable)
            {
                var cells = new T?[group.RowCount];
                Task.Run(async () => await group.ReadAsync<T>(field, cells.AsMemory())).GetAwaiter().GetResult();
                return cells;
            }

            var values = new T[group.RowCount];
            Task.Run(async () => await group.ReadAsync<T>(field, values.AsMemory())).GetAwaiter().GetResult();
            return Array.ConvertAll(values, static value => (T?)value);
        }
    }

    private abstract class Column
    {
        public abstract ReadOnlySpan<char> Text(int row);

        public abstract bool TryNumber(int row, out float value);
    }

    private sealed class TextCells(string?[] cells) : Column
    {
        public override ReadOnlySpan<char> Text(int row) => cells[row];

        public override bool TryNumber(int row, out float value) => DataTable.TryNumber(cells[row], out value);
    }

    private sealed class NumberCells<T>(T?[] cells) : Column
        where T : struct, INumber<T>
    {
        public override ReadOnlySpan<char> Text(int row) => cells[row] is { } value ? value.ToString(null, CultureInfo.InvariantCulture) : "";

        public override bool TryNumber(int row, out float value)
        {
            value = cells[row] is { } cell ? float.CreateSaturating(cell) : float.NaN;
            return float.IsFinite(value);
        }
    }
}
