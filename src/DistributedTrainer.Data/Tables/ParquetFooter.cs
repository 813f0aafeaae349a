using System.Buffers.Binary;

namespace DistributedTrainer.Data;

/// <summary>
/// Looks whether what a Parquet file says of itself fits in the file, before the library reads it: that one believes what
/// stands there, and would read on for ever, or make room for as many values as a damaged number says.
/// </summary>
/// <remarks>Field numbers are those of parquet.thrift (Apache Parquet format, version 2).</remarks>
internal static partial class ParquetFooter
{
    /// <summary>So many bytes of cells for each byte of a file, beside <see cref="Free"/>: equal values take next to no room.</summary>
    public const int Expansion = 1000;

    /// <summary>Bytes of cells that any file may have.</summary>
    public const long Free = 64 << 20;

    // The types of a struct's fields, the first one's first: a number, bytes, a struct, or (in capitals) a list of them.
    // The library reads what it expects, whatever type is written there.
    private const string FileFields = "nSnSSbSsb";
    private const string SchemaFields = "nnnbnnnnns";
    private const string RowGroupFields = "SnnSnnn";
    private const string ColumnFields = "bnsnnnnsb";
    private const string MetaDataFields = "nNBnnnnSnnnsSnns";
    private const string PageFields = "nnnnssss";
    private const string DataFields = "nnnns";
    private const string NewerDataFields = "nnnnnn?s";
    private const string DictionaryFields = "nn?";
    private const string PairFields = "bb";

    // Before the footer: its length, and the format's name, which stands at the beginning too.
    private const int Trailer = 8;

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>Looks at the footer and at the header of each page.</summary>
    /// <exception cref="InvalidDataException">They do not fit in the file.</exception>
    public static void Check(FileStream file)
    {
        Span<byte> ends = stackalloc byte[Trailer];
        if (file.Length < Trailer + Magic.Length)
        {
            throw new InvalidDataException($"{file.Length} bytes are no Parquet file");
        }

        file.Seek(-Trailer, SeekOrigin.End);
        file.ReadExactly(ends);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(ends);
        if (!ends[sizeof(int)..].SequenceEqual(Magic))
        {
            throw new InvalidDataException("it does not end as a Parquet file does. Is it another format, or truncated?");
        }

        if (length > file.Length - Trailer - Magic.Length || length > int.MaxValue / 2)
        {
            throw new InvalidDataException($"its description of itself takes {length} of {file.Length} bytes");
        }

        var footer = new byte[length];
        file.Seek(-Trailer - length, SeekOrigin.End);
        file.ReadExactly(footer);
        var reader = new CompactReader(footer);
        var budget = new Budget(file.Length);
        for (var id = 0; reader.NextField(ref id, out var type);)
        {
            if (id == 4 && type == CompactReader.List)
            {
                for (var groups = reader.ListHeader(out var element); groups > 0; groups--)
                {
                    Expect(element, CompactReader.Struct);
                    RowGroup(ref reader, file, budget);
                }
            }
            else if (id is 2 && type == CompactReader.List)
            {
                Schema(ref reader);
            }
            else if (id is 5 && type == CompactReader.List)
            {
                Pairs(ref reader);
            }
            else
            {
                Pass(ref reader, id, type, FileFields);
            }
        }

        file.Seek(0, SeekOrigin.Begin);
    }

    /// <summary>The columns as a tree, each node before those below it.</summary>
    private static void Schema(ref CompactReader reader)
    {
        var (nodes, below) = (reader.ListHeader(out var element), 0L);
        for (var left = nodes; left > 0; left--)
        {
            Expect(element, CompactReader.Struct);
            for (var id = 0; reader.NextField(ref id, out var type);)
            {
                if (id == 5 && IsNumber(type))
                {
                    var children = reader.Number();
                    below += children >= 0 && children < nodes ? children : throw Damaged($"a column of {children} columns");
                }
                else
                {
                    Pass(ref reader, id, type, SchemaFields);
                }
            }
        }

        if (below != nodes - 1)
        {
            throw Damaged($"{nodes} columns and groups, of which {below} are said to be below others");
        }
    }

    private static void Pairs(ref CompactReader reader)
    {
        for (var left = reader.ListHeader(out var element); left > 0; left--)
        {
            Expect(element, CompactReader.Struct);
            for (var id = 0; reader.NextField(ref id, out var type);)
            {
                Pass(ref reader, id, type, PairFields);
            }
        }
    }

    private static void RowGroup(ref CompactReader reader, FileStream file, Budget budget)
    {
        var (columns, rows) = (0, 0L);
        for (var id = 0; reader.NextField(ref id, out var type);)
        {
            if (id == 1 && type == CompactReader.List)
            {
                columns = reader.ListHeader(out var element);
                for (var left = columns; left > 0; left--)
                {
                    Expect(element, CompactReader.Struct);
                    ColumnChunk(ref reader, file, budget);
                }
            }
            else if (id == 3 && IsNumber(type))
            {
                rows = reader.Number();
            }
            else
            {
                Pass(ref reader, id, type, RowGroupFields);
            }
        }

        budget.Cells(rows, Math.Max(columns, 1));
    }

    private static void ColumnChunk(ref CompactReader reader, FileStream file, Budget budget)
    {
        for (var id = 0; reader.NextField(ref id, out var type);)
        {
            if (id == 3 && type == CompactReader.Struct)
            {
                ColumnMetaData(ref reader, file, budget);
            }
            else
            {
                Pass(ref reader, id, type, ColumnFields);
            }
        }
    }

    private static void ColumnMetaData(ref CompactReader reader, FileStream file, Budget budget)
    {
        var (values, compressed, data, dictionary) = (0L, 0L, 0L, 0L);
        for (var id = 0; reader.NextField(ref id, out var type);)
        {
            if (id is 5 or 7 or 9 or 11 && IsNumber(type))
            {
                var number = reader.Number();
                _ = id switch
                {
                    5 => values = number,
                    7 => compressed = number,
                    9 => data = number,
                    _ => dictionary = number,
                };
            }
            else if (id == 8 && type == CompactReader.List)
            {
                Pairs(ref reader);
            }
            else
            {
                Pass(ref reader, id, type, MetaDataFields);
            }
        }

        // Where there is no dictionary some writers say 0.
        var start = dictionary > 0 ? Math.Min(dictionary, data) : data;
        if (values < 0 || compressed < 0 || start < Magic.Length || start > file.Length || compressed > file.Length - start)
        {
            throw new InvalidDataException($"a column of {values} values is said to lie at byte {start} and to take {compressed} bytes, of {file.Length}");
        }

        budget.Cells(values, 1);
        Pages(file, start, start + compressed, values, budget);
    }

    /// <summary>Passes over a field, which has the type that belongs to it; what newer writers add is passed over as it is.</summary>
    private static void Pass(ref CompactReader reader, int id, int type, string fields)
    {
        var expected = id >= 1 && id <= fields.Length ? fields[id - 1] : '?';
        if (expected != '?' && (char.IsUpper(expected) ? type != CompactReader.List : KindOf(type) != expected))
        {
            throw Damaged($"field {id} is of another type");
        }

        if (!char.IsUpper(expected))
        {
            reader.Skip(type);
            return;
        }

        for (var left = reader.ListHeader(out var element); left > 0; left--)
        {
            if (KindOf(element) != char.ToLowerInvariant(expected))
            {
                throw Damaged("a list of other things than are expected");
            }

            reader.Skip(element, inList: true);
        }
    }

    private static char KindOf(int type) => type switch
    {
        4 or 5 or 6 => 'n',
        8 => 'b',
        CompactReader.Struct => 's',
        _ => ' ',
    };

    private static void Expect(int type, int expected)
    {
        if (type != expected)
        {
            throw Damaged("a list of other things than are expected");
        }
    }

    private static InvalidDataException Damaged(string what) => new($"its description of itself is damaged: {what}");

    /// <summary>What a file of this size may unpack to.</summary>
    private sealed class Budget(long fileBytes)
    {
        private readonly long _most = Free + (Expansion * Math.Min(fileBytes, long.MaxValue / Expansion / 2));
        private long _bytes;
        private long _cells;

        public void Cells(long rows, int columns)
        {
            // A row group's rows and its columns' values are the same cells twice, and once more as pages.
            if (rows < 0 || rows > _most || (_cells += rows * columns) < 0 || _cells / 3 > _most / sizeof(float))
            {
                throw new InvalidDataException($"{rows} values are more than a file of {fileBytes} bytes is believed to hold");
            }
        }

        public void Bytes(long bytes)
        {
            if ((_bytes += bytes) > _most)
            {
                throw new InvalidDataException($"pages of {_bytes} bytes are more than a file of {fileBytes} bytes is believed to hold");
            }
        }
    }
}
