using System.ComponentModel;
using System.Runtime.InteropServices;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Files of a running process that may not grow beyond a size: to it, a disk that is full. The kernel enforces it, for
/// whoever runs the test, and it can be taken back.
/// </summary>
internal static class FileSizeLimit
{
    private const int FileSize = 1;
    private const ulong Unlimited = ulong.MaxValue;

    public static void Set(int process, ulong bytes) => Apply(process, new Limit(bytes, Unlimited));

    public static void Lift(int process) => Apply(process, new Limit(Unlimited, Unlimited));

    private static void Apply(int process, Limit limit)
    {
        if (SetLimit(process, FileSize, limit, IntPtr.Zero) != 0)
        {
            throw new Win32Exception();
        }
    }

    [DllImport("libc", EntryPoint = "prlimit", SetLastError = true)]
    private static extern int SetLimit(int process, int resource, in Limit limit, IntPtr before);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Limit(ulong Soft, ulong Hard);
}
