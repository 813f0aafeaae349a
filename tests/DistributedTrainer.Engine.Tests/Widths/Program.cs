using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Tests.Widths;

/// <summary>
/// The entry point of the assembly itself; the test runner does not use it. With --hash it prints how wide this
/// process computes, and one hash a kernel.
/// </summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is not ["--hash"])
        {
            Console.Error.WriteLine("Say --hash to print the hashes of all kernels, or run the tests with dotnet test.");
            return 2;
        }

        Console.WriteLine(Width());
        foreach (var line in OutputHash.Lines())
        {
            Console.WriteLine(line);
        }

        return 0;
    }

    /// <summary>The width of this process's vectors in bits.</summary>
    public static string Width() =>
        $"width {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0)}";
}
