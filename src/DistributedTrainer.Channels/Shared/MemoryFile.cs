using System.Runtime.InteropServices;

namespace DistributedTrainer.Channels.Shared;

/// <summary>
/// Memory of the system's that has no name and belongs to no file system (memfd): another process can map it once it was
/// handed the descriptor over a socket. It ends with the last process that holds it, however that ends, leaves nothing
/// behind, and does not depend on how large /dev/shm is.
/// </summary>
internal sealed unsafe class MemoryFile : IDisposable
{
    private nint _start;

    private MemoryFile(int descriptor, long length, int protection)
    {
        Descriptor = descriptor;
        Length = length;
        _start = Libc.Map(0, (nuint)length, protection, Libc.MapShared, descriptor, 0);
        if (_start == -1) throw new IOException($"shared memory: {length} bytes can't be mapped: {Libc.LastError}");
    }

    /// <summary>-1 once the memory is mapped and nobody else needs it.</summary>
    public int Descriptor { get; private set; }

    public long Length { get; }

    public byte* Start => (byte*)_start;

    /// <summary>Null, or why this machine can't share memory.</summary>
    public static string? Problem { get; } = Probe();

    /// <summary>
    /// Reserves addresses; pages exist only after <see cref="Commit"/>. The length is sealed: a peer that shrank it would
    /// kill this process at its next access.
    /// </summary>
    /// <param name="length">In bytes.</param>
    /// <param name="readOnlyForPeers">Whoever maps it later can't write to it, where the system knows that seal (Linux 5.1).</param>
    /// <exception cref="IOException">The system has none left.</exception>
    public static MemoryFile Create(long length, bool readOnlyForPeers)
    {
        var descriptor = Libc.CreateMemoryFile("dtrain", Libc.CloseOnExec | Libc.AllowSealing);
        if (descriptor < 0) throw new IOException($"shared memory: {Libc.LastError}");
        try
        {
            if (Libc.SetLength(descriptor, length) != 0) throw new IOException($"shared memory: {length} bytes can't be reserved: {Libc.LastError}");
            var file = new MemoryFile(descriptor, length, Libc.ReadPages | Libc.WritePages);
            if (readOnlyForPeers) Libc.Control(descriptor, Libc.AddSeals, Libc.SealFutureWrite);
            if (Libc.Control(descriptor, Libc.AddSeals, Libc.SealShrink | Libc.SealGrow | Libc.SealSeal) == 0) return file;
            file.Dispose();
            descriptor = -1;
            throw new IOException($"shared memory: the length can't be sealed: {Libc.LastError}");
        }
        catch
        {
            if (descriptor >= 0) Libc.Close(descriptor);
            throw;
        }
    }

    /// <summary>Maps what a peer handed over, and takes the descriptor in any case.</summary>
    /// <exception cref="IOException">It is not of this length or can be shrunk, or can't be mapped.</exception>
    public static MemoryFile Adopt(int descriptor, long length, bool writable)
    {
        try
        {
            var seals = Libc.Control(descriptor, Libc.GetSeals, 0);
            if (seals < 0 || (seals & Libc.SealShrink) == 0) throw new IOException("shared memory: what the peer handed over is no memory of a sealed length");
            var actual = Libc.Seek(descriptor, 0, Libc.SeekEnd);
            if (length <= 0 || actual != length) throw new IOException($"shared memory: the peer announced {length} bytes and handed over {actual}");
            var file = new MemoryFile(descriptor, length, writable ? Libc.ReadPages | Libc.WritePages : Libc.ReadPages);
            file.CloseDescriptor();
            return file;
        }
        catch
        {
            Libc.Close(descriptor);
            throw;
        }
    }

    /// <summary>Makes the pages exist, so that the first access can't fail. False, with the reason, when there is no memory for them.</summary>
    public bool Commit(long offset, long length, out string? reason)
    {
        int error;
        do error = Libc.Allocate(Descriptor, offset, length);
        while (error == Libc.Interrupted);
        reason = error == 0 ? null : $"the system has no {length} bytes of shared memory left: {Marshal.GetPInvokeErrorMessage(error)}";
        return error == 0;
    }

    /// <summary>No other process will be handed it any more.</summary>
    public void CloseDescriptor()
    {
        if (Descriptor >= 0) Libc.Close(Descriptor);
        Descriptor = -1;
    }

    /// <summary>Nobody may use the memory any more.</summary>
    public void Dispose()
    {
        CloseDescriptor();
        var start = Interlocked.Exchange(ref _start, 0);
        if (start != 0) Libc.Unmap(start, (nuint)Length);
    }

    private static string? Probe()
    {
        if (!OperatingSystem.IsLinux()) return "shared memory between processes is built for Linux only";
        if (RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
            return $"shared memory between processes is not built for {RuntimeInformation.ProcessArchitecture}";
        try
        {
            using var file = Create(Environment.SystemPageSize, readOnlyForPeers: true);
            if (!file.Commit(0, Environment.SystemPageSize, out var reason)) return reason;
            return Bell.Works((uint*)file.Start) ? null : $"this system has no futex: {Libc.LastError}";
        }
        catch (Exception e) when (e is IOException or EntryPointNotFoundException or DllNotFoundException)
        {
            return e.Message;
        }
    }
}
