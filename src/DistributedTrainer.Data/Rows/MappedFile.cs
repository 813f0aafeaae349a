using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace DistributedTrainer.Data;

/// <summary>
/// A file that is read where it lies: the system brings in the pages that are asked for, shares them among the processes
/// of a machine and takes them back when memory is short. May be read by several threads; stays open as long as it is in
/// use. The file must not change meanwhile: reading where it was cut off ends the process.
/// </summary>
internal sealed class MappedFile
{
    private readonly SafeBuffer _bytes;

    private MappedFile(SafeBuffer bytes, long length) => (_bytes, Length) = (bytes, length);

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <exception cref="IOException">The file cannot be mapped.</exception>
    public static MappedFile Open(string path)
    {
        // The view keeps what it needs of the file and of the map.
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        var length = file.Length;
        using var map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        return new MappedFile(map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read).SafeMemoryMappedViewHandle, length);
    }

    /// <summary>Copies bytes out: in words, since a buffer copies element by element.</summary>
    public void Read(long offset, Span<byte> into)
    {
        var words = into.Length & ~(sizeof(long) - 1);
        _bytes.ReadSpan((ulong)offset, MemoryMarshal.Cast<byte, long>(into[..words]));
        if (words < into.Length)
        {
            _bytes.ReadSpan((ulong)(offset + words), into[words..]);
        }
    }
}
