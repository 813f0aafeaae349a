using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Every command of docs/tutorial.md, in its order, in one folder. How the text is read:
/// <list type="bullet">
/// <item>A block below a line such as "`apples.yaml`:" is that file.</item>
/// <item>In a block <c>console</c> a line that begins with "$ " is a command, and the lines below it are what it shows: each is
/// a line of its output, in this order, with or without others between them; "…" stands for anything.</item>
/// <item>It ends with exit code 0, or with that of a comment behind it: "# exit code 2".</item>
/// <item>One that ends with " &amp;" goes on, and the lines below are waited for. Of the last such one "pkill …" kills a worker,
/// and the lines below are waited for too; "kill $!" stops it, which ends with exit code 1; "wait $!" waits for its end.</item>
/// <item>The machines 10.0.0.1, 10.0.0.2, … are this one, and their port 4053 is one that the system chooses.</item>
/// </list>
/// Commands that are not dtrain's are the shell's.
/// </summary>
public sealed partial class TutorialTests
{
    private const string Prompt = "$ ";

    // 128 + 9, as shells count.
    private const int KilledCode = 137;

    [Fact]
    public async Task Every_command_does_what_the_text_shows()
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(RepositoryRoot.Path, "docs/tutorial.md"));
        await using var reader = new Reader();
        for (var line = 0; line < lines.Length; line++)
        {
            if (!lines[line].StartsWith("```", StringComparison.Ordinal))
            {
                continue;
            }

            var end = Array.IndexOf(lines, "```", line + 1);
            var (before, kind, block) = (lines.Take(line).LastOrDefault(static text => text.Length > 0) ?? "", lines[line][3..], lines[(line + 1)..end]);
            if (FileName().Match(before) is { Success: true } file)
            {
                await reader.Write(file.Groups[1].Value, block);
            }
            else if (kind == "console")
            {
                for (var (at, next) = (0, 0); at < block.Length; at = next)
                {
                    next = Array.FindIndex(block, at + 1, static text => text.StartsWith(Prompt, StringComparison.Ordinal)) is >= 0 and var found ? found : block.Length;
                    await reader.Do(block[at][Prompt.Length..], block[(at + 1)..next]);
                }
            }

            line = end;
        }

        await reader.EndNodes();
        Assert.True(reader.Done >= 20, $"{reader.Done} commands are too few: is the text read as it was meant?");
    }

    [GeneratedRegex(@"^`([\w.-]+)`:$")]
    private static partial Regex FileName();

    /// <summary>Somebody who types what the text says.</summary>
    private sealed partial class Reader : IAsyncDisposable
    {
        private readonly RunDirectory _directory = new();
        private readonly Dictionary<string, string> _addresses = [];
        private readonly Stack<(string Command, Dtrain Process)> _running = new();
        private readonly HashSet<int> _killed = [];

        private string Folder => _directory.In("");

        public int Done { get; private set; }

        public Task Write(string name, string[] lines) => File.WriteAllLinesAsync(_directory.In(name), lines);

        public async Task Do(string text, string[] shown)
        {
            Done++;
            var (line, expected) = ExitCode().Match(text) is { Success: true } comment
                ? (text[..comment.Index], int.Parse(comment.Groups[1].Value, CultureInfo.InvariantCulture))
                : (text, 0);
            var command = Here(line);
            var (code, output, errors) = (0, "", "");
            switch (command.Split(' ')[0])
            {
                case "dtrain" when command.EndsWith(" &", StringComparison.Ordinal):
                    _running.Push((command, Dtrain.Start(Arguments(command[..^2]), Folder)));
                    await Hear(line, shown);
                    return;
                case "dtrain":
                    (code, output, errors) = await Dtrain.Run(Arguments(command), Folder);
                    break;
                case "pkill":
                    Kill(RunFolder().Match(_running.Peek().Command).Groups[1].Value);
                    await Hear(line, shown);
                    return;
                case "kill":
                    _running.Peek().Process.Signal("TERM");
                    (code, output, errors) = await End();
                    expected = 1;
                    break;
                case "wait":
                    (code, output, errors) = await End();
                    break;
                default:
                    (code, output) = await Shell(command);
                    break;
            }

            output += errors;
            Assert.True(code == expected, $"{text}\nended with exit code {code}.\n{output}");
            var rest = output.Split('\n').AsEnumerable();
            foreach (var pattern in shown.Where(static pattern => pattern.Length > 0))
            {
                rest = rest.SkipWhile(other => !Fits(other, pattern));
                Assert.True(rest.Any(), $"{text}\ndoes not show, or not in this place:\n{pattern}\nbut:\n{output}");
                rest = rest.Skip(1);
            }
        }

        /// <summary>Ends what still runs, in good order.</summary>
        public async Task EndNodes()
        {
            while (_running.TryPeek(out var last))
            {
                var isKilled = _killed.Contains(last.Process.Id);
                if (!isKilled)
                {
                    last.Process.Signal("TERM");
                }

                var (code, output, errors) = await End();
                Assert.True(code == (isKilled ? KilledCode : 0), $"{last.Command}\nended with exit code {code}.\n{output}{errors}");
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var (_, process) in _running)
            {
                await process.DisposeAsync();
            }

            _directory.Dispose();
        }

        /// <summary>Waits for lines of what was begun last.</summary>
        private async Task Hear(string line, string[] shown)
        {
            foreach (var pattern in shown.Where(static pattern => pattern.Length > 0))
            {
                string heard;
                try
                {
                    heard = await _running.Peek().Process.Line(other => Fits(other, pattern));
                }
                catch (Exception problem) when (problem is InvalidOperationException or TimeoutException)
                {
                    throw new Xunit.Sdk.XunitException($"{line}\ndoes not show:\n{pattern}\n{problem.Message}");
                }

                if (Host().Match(line) is { Success: true } host && heard.StartsWith("node ", StringComparison.Ordinal))
                {
                    _addresses[$"{host.Groups[1].Value}:4053"] = heard.Split(' ')[1];
                }
            }
        }

        private async Task<(int Code, string Output, string Errors)> End()
        {
            await using var process = _running.Pop().Process;
            return await process.End();
        }

        private void Kill(string run)
        {
            var worker = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, run, "nodes.json"))).RootElement.EnumerateArray()
                .First(static node => node.GetProperty("role").GetString() == "worker").GetProperty("processId").GetInt32();
            _killed.Add(worker);
            Dtrain.Signal(worker, "KILL");
        }

        private async Task<(int Code, string Output)> Shell(string command)
        {
            using var bash = Process.Start(new ProcessStartInfo("bash", ["-c", $"{command} 2>&1"]) { RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = Folder })!;
            var output = await bash.StandardOutput.ReadToEndAsync().WaitAsync(Dtrain.Limit);
            await bash.WaitForExitAsync();
            return (bash.ExitCode, output);
        }

        private string Here(string command)
        {
            foreach (var (there, here) in _addresses)
            {
                command = command.Replace(there, here, StringComparison.Ordinal);
            }

            return Machine().Replace(command, "127.0.0.1").Replace("--port 4053", "--port 0", StringComparison.Ordinal);
        }

        private static string[] Arguments(string command) => command.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..];

        private static bool Fits(string line, string pattern)
        {
            var here = Machine().Replace(pattern, "127.0.0.1").Replace(":4053", ":…", StringComparison.Ordinal);
            return Regex.IsMatch(line.TrimEnd(), $"^{Regex.Escape(here.TrimEnd()).Replace("…", ".*", StringComparison.Ordinal)}$");
        }

        [GeneratedRegex(@" +# exit code (\d)$")]
        private static partial Regex ExitCode();

        [GeneratedRegex(@"\b10\.0\.0\.\d\b")]
        private static partial Regex Machine();

        [GeneratedRegex(@"--host (10\.0\.0\.\d)\b")]
        private static partial Regex Host();

        [GeneratedRegex(@"--run-dir (\S+)")]
        private static partial Regex RunFolder();
    }
}
