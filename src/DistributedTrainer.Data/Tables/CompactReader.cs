namespace DistributedTrainer.Data;

/// <summary>
/// Reads Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages; nothing is
/// allocated, and whatever does not fit in the bytes that are there is an error. Source: Apache Thrift, "Thrift compact
/// protocol encoding".
/// </summary>
internal ref struct CompactReader(ReadOnlySpan<byte> bytes)
{
    public const int List = 9;
    public const int Struct = 12;

    private const int Set = 10;
    private const int Map = 11;
    private const int Binary = 8;
    private const int Double = 7;
    private const int Identifier = 13;

    // More than any file of the format has.
    private const int Deepest = 32;

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _at;

    /// <summary>Bytes that were read.</summary>
    public readonly int Position => _at;

    /// <summary>The next field of a struct; false: it ends here.</summary>
    /// <param name="id">In: that of the field before, 0 at the beginning. Out: its own.</param>
    /// <param name="type">Its type.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public bool NextField(ref int id, out int type)
    {
        var header = Byte();
        type = header & 15;
        if (header == 0)
        {
            return false;
        }

        id = header >> 4 is not 0 and var delta ? id + delta : (int)Math.Clamp(Number(), short.MinValue, short.MaxValue);
        return type is > 0 and <= Identifier ? true : throw Damaged($"type {type} does not exist");
    }

    /// <summary>Elements of a list, and their type; each takes a byte at least.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public int ListHeader(out int type)
    {
        var header = Byte();
        type = header & 15;
        var count = header >> 4 is 15 ? Unsigned() : (ulong)(header >> 4);
        return count <= (ulong)(_bytes.Length - _at) ? (int)count : throw Damaged($"a list of {count} elements in {_bytes.Length - _at} bytes");
    }

    /// <summary>A whole number of any width.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public long Number()
    {
        var value = Unsigned();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    /// <summary>Passes over a value.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public void Skip(int type, int depth = 0, bool inList = false)
    {
        if (depth > Deepest)
        {
            throw Damaged($"more than {Deepest} levels");
        }

        switch (type)
        {
            case 1 or 2:
                // In a field the type is the value.
                Forward(inList ? 1 : 0);
                break;
            case 3:
                Forward(1);
                break;
            case 4 or 5 or 6:
                Unsigned();
                break;
            case Double:
                Forward(8);
                break;
            case Binary:
                Forward(Unsigned());
                break;
            case List or Set:
                for (var left = ListHeader(out var element); left > 0; left--)
                {
                    Skip(element, depth + 1, inList: true);
                }

                break;
            case Map:
                var pairs = Unsigned();
                var kinds = pairs == 0 ? 0 : Byte();
                for (; pairs > 0; pairs--)
                {
                    Skip(kinds >> 4, depth + 1, inList: true);
                    Skip(kinds & 15, depth + 1, inList: true);
                }

                break;
            case Struct:
                for (var id = 0; NextField(ref id, out var field);)
                {
                    Skip(field, depth + 1);
                }

                break;
            case Identifier:
                Forward(16);
                break;
            default:
                throw Damaged($"type {type} does not exist");
        }
    }

    private ulong Unsigned()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            value |= (ulong)(part & 127) << shift;
            if (part < 128)
            {
                return value;
            }
        }

        throw Damaged("a number of more than 64 bits");
    }

    private int Byte() => _at < _bytes.Length ? _bytes[_at++] : throw Damaged("it ends too early");

    private void Forward(ulong count) => _at = count <= (ulong)(_bytes.Length - _at) ? _at + (int)count : throw Damaged("it ends too early");

    private void Forward(int count) => Forward((ulong)count);

    private static InvalidDataException Damaged(string what) => new($"its description of itself is damaged: {what}");
}
