using System.Runtime.InteropServices;

namespace DistributedTrainer.Channels.Shared;

/// <summary>The calls to Linux that .NET has no name for. Only for 64 bits, where offsets are 64 bits wide.</summary>
internal static unsafe partial class Libc
{
    public const int Interrupted = 4;
    public const int TryAgain = 11;

    public const uint CloseOnExec = 1;
    public const uint AllowSealing = 2;

    public const int AddSeals = 1033;
    public const int GetSeals = 1034;

    public const int SealSeal = 1;
    public const int SealShrink = 2;
    public const int SealGrow = 4;
    public const int SealFutureWrite = 16;

    public const int ReadPages = 1;
    public const int WritePages = 2;
    public const int MapShared = 1;

    public const int SeekEnd = 2;

    public const int SocketLevel = 1;
    public const int Rights = 1;
    public const int NoSignal = 0x4000;
    public const int CloseOnExecReceived = 0x40000000;

    // Numbers of the futex call, which libc has no function for.
    public static readonly nint FutexNumber = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 98 : 202;

    public static string LastError => $"{Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())} (error {Marshal.GetLastPInvokeError()})";

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateMemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int SetLength(int descriptor, long length);

    /// <summary>Gives the error itself.</summary>
    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    public static partial int Allocate(int descriptor, long offset, long length);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int descriptor, long offset, int from);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    public static partial nint Send(nint socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    public static partial nint Receive(nint socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Futex(nint number, uint* word, nint operation, nint value, nint timeout, nint word2, nint value3);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Piece
    {
        public byte* Start;
        public nuint Length;
    }

    /// <summary>struct msghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public void* Name;
        public uint NameLength;
        public Piece* Pieces;
        public nuint PieceCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr, followed by the descriptors that it carries.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ControlHeader
    {
        public nuint Length;
        public int Level;
        public int Type;
    }
}
