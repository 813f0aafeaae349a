namespace DistributedTrainer.Data;

/// <summary>The headers of pages, of which a column's values consist.</summary>
internal static partial class ParquetFooter
{
    /// <summary>The pages of a column, one behind the other, until all its values are there.</summary>
    private static void Pages(FileStream file, long start, long end, long values, Budget budget)
    {
        // A header has statistics of the page, too: texts among them.
        var room = new byte[(int)Math.Min(1 << 20, end - start)];
        for (long at = start, found = 0; found < values && at < end;)
        {
            file.Seek(at, SeekOrigin.Begin);
            var some = room.AsSpan(0, (int)Math.Min(Math.Min(4096, room.Length), end - at));
            file.ReadExactly(some);
            if (!TryPage(some, out var page))
            {
                some = room.AsSpan(0, (int)Math.Min(room.Length, end - at));
                file.Seek(at, SeekOrigin.Begin);
                file.ReadExactly(some);
                page = Page(some);
            }

            if (page.Compressed < 0 || page.Uncompressed < 0 || page.Values < 0 || page.Header + page.Compressed > end - at)
            {
                throw new InvalidDataException($"a page at byte {at} is said to take {page.Compressed} bytes and to hold {page.Values} values in {page.Uncompressed}, of {end - at}");
            }

            budget.Bytes(page.Uncompressed);
            budget.Cells(page.Values, 1);
            found += page.IsDictionary ? 0 : page.Values;
            at += page.Header + page.Compressed;
        }
    }

    private static bool TryPage(ReadOnlySpan<byte> bytes, out PageHeader page)
    {
        try
        {
            page = Page(bytes);
            return true;
        }
        catch (InvalidDataException)
        {
            page = default;
            return false;
        }
    }

    private static PageHeader Page(ReadOnlySpan<byte> bytes)
    {
        var reader = new CompactReader(bytes);
        var page = default(PageHeader);
        for (var id = 0; reader.NextField(ref id, out var type);)
        {
            if (id is 2 or 3 && IsNumber(type))
            {
                var number = reader.Number();
                page = id == 2 ? page with { Uncompressed = number } : page with { Compressed = number };
            }
            else if (id is 5 or 7 or 8 && type == CompactReader.Struct)
            {
                // Of a page of data, a dictionary, a page of data in the newer form: their number of values comes first.
                page = page with { IsDictionary = id == 7 };
                for (var inner = 0; reader.NextField(ref inner, out var kind);)
                {
                    if (inner == 1 && IsNumber(kind))
                    {
                        page = page with { Values = reader.Number() };
                    }
                    else
                    {
                        Pass(ref reader, inner, kind, id == 5 ? DataFields : id == 7 ? DictionaryFields : NewerDataFields);
                    }
                }
            }
            else
            {
                Pass(ref reader, id, type, PageFields);
            }
        }

        return page with { Header = reader.Position };
    }

    private static bool IsNumber(int type) => type is 4 or 5 or 6;

    private readonly record struct PageHeader(int Header, long Compressed, long Uncompressed, long Values, bool IsDictionary);
}
