using System.Buffers.Binary;
using System.IO.Compression;

namespace DistributedTrainer.Data;

/// <summary>
/// One file of unsigned bytes in the IDX format, plain or gzip: two zero bytes, the type, the number of dimensions, the
/// sizes as 32-bit big-endian numbers, the values row-major. Source: LeCun, Cortes, Burges, "The MNIST database", 1998.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Sizes">Rows, then the sizes of a row.</param>
/// <param name="Rows">The values: held where the file is small, else mapped.</param>
internal sealed record IdxFile(string Path, int[] Sizes, RowBlock Rows)
{
    // Columns of the widest row that is read.
    private const int WidestRow = 1 << 28;

    private const byte UnsignedByte = 0x08;

    // No byte of deflate makes more than this many.
    private const int LargestExpansion = 1032;

    /// <summary>Reads a file; nothing is allocated that the file's size does not warrant.</summary>
    /// <param name="path">Ends in .gz where the file is compressed.</param>
    /// <param name="ranks">How many dimensions are expected.</param>
    /// <param name="heldBytes">Files with more values are mapped; a compressed one is unpacked into the cache for that.</param>
    /// <param name="problems">Receives what is wrong.</param>
    public static IdxFile? Read(string path, Range ranks, long heldBytes, ProblemLog problems)
    {
        var name = System.IO.Path.GetFileName(path);
        try
        {
            using var file = File.OpenRead(path);
            var compressed = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
            var length = compressed ? CompressedLength(file) : file.Length;
            using var stream = compressed ? new GZipStream(file, CompressionMode.Decompress) : (Stream)file;
            if (ReadSizes(name, stream, ranks, problems) is not { } sizes)
            {
                return null;
            }

            var header = 4 + (4L * sizes.Length);
            var columns = sizes.Skip(1).Aggregate(1L, static (product, size) => Math.Min(product * size, int.MaxValue));
            var wanted = sizes[0] * columns;
            if (columns > WidestRow)
            {
                problems.Add($"{name}: {string.Join('x', sizes)} values are more than can be read. Is the file damaged?");
                return null;
            }

            // A compressed file ends with its length modulo 2^32.
            if ((compressed ? (uint)(header + wanted) : header + wanted) != length || wanted / LargestExpansion > file.Length)
            {
                problems.Add($"{name}: the header says {string.Join('x', sizes)}, which takes {header + wanted} bytes, but there are {length}. The file is truncated or damaged; get it again.");
                return null;
            }

            if (wanted > Math.Min(heldBytes, Array.MaxLength))
            {
                return compressed ? Unpacked(path, sizes, stream, wanted, problems)
                    : new IdxFile(path, sizes, RowBlock.OfBytes(MappedFile.Open(path), header, sizes[0], (int)columns));
            }

            var values = new byte[wanted];
            if (stream.ReadAtLeast(values, values.Length, throwOnEndOfStream: false) < values.Length || stream.ReadByte() >= 0)
            {
                problems.Add(NotWhole(name, wanted));
                return null;
            }

            return new IdxFile(path, sizes, RowBlock.Of(values, (int)columns));
        }
        catch (Exception problem) when (problem is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            problems.Add($"{name}: the file cannot be read: {problem.Message}");
            return null;
        }
    }

    /// <summary>The values in a file of the cache, written by whoever is the first.</summary>
    private static IdxFile? Unpacked(string path, int[] sizes, Stream values, long wanted, ProblemLog problems)
    {
        var columns = (int)(wanted / sizes[0]);
        using var entry = DataCache.Enter($"idx-{FileDigest.Of(path)}");
        if (!entry.IsComplete)
        {
            using var target = entry.Create("rows");
            values.CopyTo(target, 1 << 20);
            if (target.Length != wanted)
            {
                problems.Add(NotWhole(System.IO.Path.GetFileName(path), wanted));
                return null;
            }

            target.Dispose();
            entry.Complete();
        }

        return new IdxFile(path, sizes, RowBlock.OfBytes(MappedFile.Open(entry.File("rows")), 0, sizes[0], columns));
    }

    private static string NotWhole(string name, long wanted) =>
        $"{name}: the file does not hold the {wanted} values that its header says. It is truncated or damaged; get it again.";

    private static int[]? ReadSizes(string name, Stream stream, Range ranks, ProblemLog problems)
    {
        Span<byte> buffer = stackalloc byte[4];
        if (stream.ReadAtLeast(buffer, 4, throwOnEndOfStream: false) < 4 || buffer[0] != 0 || buffer[1] != 0)
        {
            problems.Add($"{name}: this is no IDX file: it does not begin with two zero bytes, a type and a number of dimensions. Is it another format, or damaged?");
            return null;
        }

        if (buffer[2] != UnsignedByte)
        {
            problems.Add($"{name}: the values are of type 0x{buffer[2]:X2}; only unsigned bytes (0x08) can be read. Convert them.");
            return null;
        }

        var rank = buffer[3];
        if (rank < ranks.Start.Value || rank > ranks.End.Value)
        {
            var expected = ranks.Start.Equals(ranks.End) ? $"{ranks.Start}" : $"{ranks.Start} to {ranks.End}";
            problems.Add($"{name}: the values have {rank} dimensions, {expected} are expected. Is it the right file?");
            return null;
        }

        var sizes = new int[rank];
        for (var dimension = 0; dimension < rank; dimension++)
        {
            if (stream.ReadAtLeast(buffer, 4, throwOnEndOfStream: false) < 4)
            {
                problems.Add($"{name}: the file ends within its header. It is truncated; get it again.");
                return null;
            }

            sizes[dimension] = BinaryPrimitives.ReadInt32BigEndian(buffer);
            if (sizes[dimension] < 1)
            {
                problems.Add($"{name}: dimension {dimension} has the size {sizes[dimension]}. The file is empty or damaged.");
                return null;
            }
        }

        return sizes;
    }

    private static long CompressedLength(FileStream file)
    {
        if (file.Length < 4)
        {
            return 0;
        }

        Span<byte> buffer = stackalloc byte[4];
        file.Seek(-4, SeekOrigin.End);
        file.ReadExactly(buffer);
        file.Seek(0, SeekOrigin.Begin);
        return BinaryPrimitives.ReadUInt32LittleEndian(buffer);
    }
}
