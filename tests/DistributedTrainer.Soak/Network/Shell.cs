using System.Diagnostics;

namespace DistributedTrainer.Soak.Network;

/// <summary>The system's own commands for networks.</summary>
internal static class Shell
{
    /// <exception cref="IOException">The command failed; with what it said.</exception>
    public static Task Run(string command) => Run(command.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The same, word by word.</summary>
    public static async Task Run(string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardError = true, RedirectStandardOutput = true })
            ?? throw new IOException($"{words[0]} cannot be started");
        var (said, problem) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        await said;
        if (process.ExitCode != 0)
        {
            throw new IOException($"'{string.Join(' ', words)}' failed: {(await problem).Trim()}");
        }
    }
}
