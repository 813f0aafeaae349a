using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DistributedTrainer.Data.Supply;

/// <summary>
/// Segments of records in the cache folder, fetched once by one of the processes of a machine, and checked whenever they
/// are opened. What cannot be kept on disk is held in memory.
/// </summary>
/// <param name="key">Of the data's description.</param>
/// <param name="source">Where records come from.</param>
/// <param name="holds">Whether records are held in memory, instead of being mapped where they lie in the cache.</param>
/// <param name="tell">Receives what an operator wants to know.</param>
internal sealed class RecordCache(string key, IRecordSource source, bool holds, Action<string> tell)
{
    private const string FileName = "records";

    private long _bytes;
    private int _toldOfDisk;

    public bool Holds => holds;

    /// <summary>Bytes that were fetched here.</summary>
    public long FetchedBytes => Volatile.Read(ref _bytes);

    /// <summary>A segment, from the cache or fetched into it; null: given up.</summary>
    /// <exception cref="IOException">It cannot be had.</exception>
    public RecordSegment? Get(RecordRange range, int recordBytes, Func<bool> isGivenUp)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{key}|{range.Set}|{range.First}|{range.Stride}|{range.Count}|{recordBytes}");
        var length = range.Count * recordBytes;
        byte[]? fetched = null;
        try
        {
            using var entry = DataCache.Enter($"rows-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))}");
            if (entry.IsComplete)
            {
                if (Opened(entry, name, length) is { } known)
                {
                    return known;
                }

                tell($"{entry.File(FileName)} is damaged: its rows are fetched anew");
                entry.Discard();
            }

            fetched = Fetch(range, length, isGivenUp);
            if (fetched is null)
            {
                return null;
            }

            using (var file = entry.Create(FileName))
            {
                file.Write(fetched);
                file.Write(Digest(name, fetched));
            }

            entry.Complete();
            return holds ? new RecordSegment(fetched) : Opened(entry, name, length) ?? new RecordSegment(fetched);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException && problem is not RecordsMissingException)
        {
            if (Interlocked.Exchange(ref _toldOfDisk, 1) == 0)
            {
                tell($"Warning: fetched rows cannot be kept in {DataCache.Folder} and are held in memory: {problem.Message} Make room there, or name another folder in DTRAIN_CACHE.");
            }

            return (fetched ?? Fetch(range, length, isGivenUp)) is { } whole ? new RecordSegment(whole) : null;
        }
    }

    private byte[]? Fetch(RecordRange range, int length, Func<bool> isGivenUp)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        try
        {
            if (!source.Fetch(range, bytes, isGivenUp))
            {
                return null;
            }
        }
        catch (IOException problem)
        {
            throw new RecordsMissingException(problem.Message, problem);
        }

        Interlocked.Add(ref _bytes, length);
        return bytes;
    }

    /// <summary>What lies in a complete entry; null: it is damaged.</summary>
    private RecordSegment? Opened(CacheEntry entry, string name, int length)
    {
        var path = entry.File(FileName);
        if (!File.Exists(path) || new FileInfo(path).Length != length + SHA256.HashSizeInBytes)
        {
            return null;
        }

        var bytes = File.ReadAllBytes(path);
        return !bytes.AsSpan(length).SequenceEqual(Digest(name, bytes.AsSpan(0, length))) ? null
            : holds ? new RecordSegment(bytes) : new RecordSegment(MappedFile.Open(path));
    }

    private static byte[] Digest(string name, ReadOnlySpan<byte> records)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(name));
        hash.AppendData(records);
        return hash.GetHashAndReset();
    }

    /// <summary>Nobody has the records: no matter of this machine's disk.</summary>
    private sealed class RecordsMissingException(string message, Exception cause) : IOException(message, cause);
}
