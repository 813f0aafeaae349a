using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace DistributedTrainer.Soak.Network;

/// <summary>A network interface whose other end is this process: it reads what is sent there, and what it writes arrives.</summary>
internal sealed class TapDevice : IDisposable
{
    private const string Path = "/dev/net/tun";
    private const int ReadWrite = 2;
    private const ushort Tap = 0x0002;
    private const ushort NoHeader = 0x1000;
    private const nuint SetInterface = 0x400454ca;
    private const short Readable = 1;

    private readonly int _handle;

    /// <exception cref="IOException">There can be none.</exception>
    public TapDevice(string name)
    {
        Name = name;
        _handle = open(Path, ReadWrite);
        if (_handle < 0)
        {
            throw new IOException($"{Path} cannot be opened: {Reason()}");
        }

        // struct ifreq: 16 bytes of name, then the flags.
        var request = new byte[40];
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request.AsSpan(16), (ushort)(Tap | NoHeader));
        if (ioctl(_handle, SetInterface, request) < 0)
        {
            var reason = Reason();
            _ = close(_handle);
            throw new IOException($"the interface {name} cannot be made: {reason}");
        }
    }

    /// <summary>Why there can be none here; null: there can.</summary>
    public static string? Problem
    {
        get
        {
            try
            {
                new TapDevice($"dt{Environment.ProcessId}.try").Dispose();
                return null;
            }
            catch (IOException problem)
            {
                return problem.Message;
            }
        }
    }

    public string Name { get; }

    /// <summary>Waits for a frame; 0: none came within the limit, or the interface is gone or down.</summary>
    public int Read(byte[] frame, int milliseconds)
    {
        var wait = new PollEntry { Handle = _handle, Events = Readable };
        return poll(ref wait, 1, milliseconds) > 0 ? (int)Math.Max(0, read(_handle, frame, (nuint)frame.Length)) : 0;
    }

    /// <summary>Where the interface is down the frame is lost, as on any wire.</summary>
    public void Write(byte[] frame) => _ = write(_handle, frame, (nuint)frame.Length);

    public void Dispose() => _ = close(_handle);

    private static string Reason() => new Win32Exception(Marshal.GetLastPInvokeError()).Message;

    [DllImport("libc", SetLastError = true)]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int ioctl(int handle, nuint request, byte[] argument);

    [DllImport("libc")]
    private static extern int poll(ref PollEntry entries, nuint count, int milliseconds);

    [DllImport("libc")]
    private static extern nint read(int handle, byte[] into, nuint count);

    [DllImport("libc")]
    private static extern nint write(int handle, byte[] from, nuint count);

    [DllImport("libc")]
    private static extern int close(int handle);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Handle;
        public short Events;
        public short Returned;
    }
}
