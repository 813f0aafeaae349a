using System.Diagnostics;
using System.Reflection;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Tests.Widths;

/// <summary>
/// The same bits on every vector width: the assembly runs as a process of its own with AVX-512 and AVX2 switched off.
/// On a processor without one of them the switch changes nothing, and the test says the same of fewer widths.
/// </summary>
public sealed class VectorWidthTests
{
    private const string Avx512 = "DOTNET_EnableAVX512";
    private const string Avx2 = "DOTNET_EnableAVX2";

    [Fact]
    public async Task All_vector_widths_give_the_same_bits()
    {
        var (width, hashes) = await Run();
        Assert.Equal(Environment.GetEnvironmentVariable(Avx512) is null && Environment.GetEnvironmentVariable(Avx2) is null ? Program.Width() : width, width);
        Assert.Equal(OutputHash.Lines(), hashes);
        foreach (var (switches, narrower) in new (string[] Switches, string Narrower)[]
        {
            ([Avx512], width == "width 512" ? "width 256" : width),
            ([Avx2], X86Base.IsSupported ? "width 128" : width),
            ([Avx512, Avx2], X86Base.IsSupported ? "width 128" : width),
        })
        {
            var (ran, same) = await Run(switches);
            Assert.Equal(narrower, ran);
            Assert.Equal(hashes, same);
        }
    }

    [Fact]
    public async Task Other_arguments_are_refused()
    {
        var (exitCode, output, error) = await Start(["--other"], []);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.Contains("--hash", error, StringComparison.Ordinal);
    }

    private static async Task<(string Width, string[] Hashes)> Run(params string[] switches)
    {
        var (exitCode, output, error) = await Start(["--hash"], switches);
        Assert.True(exitCode == 0, $"the process ended with {exitCode}: {error}");
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return (lines[0], lines[1..]);
    }

    private static async Task<(int ExitCode, string Output, string Error)> Start(string[] arguments, string[] switches)
    {
        var host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        var start = new ProcessStartInfo(host, [Assembly.GetExecutingAssembly().Location, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove(Avx512);
        start.Environment.Remove(Avx2);
        foreach (var name in switches)
        {
            start.Environment[name] = "0";
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException("the process did not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
