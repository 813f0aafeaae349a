using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace DistributedTrainer.Soak;

/// <summary>One process of the program under test; what it prints goes into a file.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private const int SignalKill = 9;

    /// <summary>The built program.</summary>
    private static readonly string Program = Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(static data => data.Key == "Program").Value!;

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _mayEnd;

    private NodeProcess(string name, ProcessStartInfo start, string log)
    {
        Name = name;
        _log = new StreamWriter(log) { AutoFlush = true };
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Heard(line.Data);
        _process.ErrorDataReceived += (_, line) => Heard(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        (Id, Ended) = (_process.Id, End());
    }

    public string Name { get; }

    public int Id { get; }

    /// <summary>Ends with the process.</summary>
    public Task Ended { get; }

    public int ExitCode { get; private set; }

    /// <summary>Whether it ended although nobody wanted it to.</summary>
    public bool IsMissing => Ended.IsCompleted && !_mayEnd;

    /// <summary>What a command is told of its certificates; null: nothing.</summary>
    public static string[] Closed(string? tls) => tls is null ? [] : ["--tls", tls];

    public static NodeProcess Start(string name, string log, params IEnumerable<string> arguments) => StartOn([], name, log, arguments);

    /// <param name="host">The command that runs another one on a host of its own; empty: this host.</param>
    /// <param name="name">Its name.</param>
    /// <param name="log">The file for what it prints.</param>
    /// <param name="arguments">Of dtrain.</param>
    public static NodeProcess StartOn(IReadOnlyList<string> host, string name, string log, params IEnumerable<string> arguments)
    {
        string[] command = [.. host, "dotnet", Program, .. arguments];
        var start = new ProcessStartInfo(command[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetDirectoryName(log),
        };

        // The runtime's own sockets for debuggers would be left behind by each process that is killed.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        foreach (var argument in command.Skip(1))
        {
            start.ArgumentList.Add(argument);
        }

        return new NodeProcess(name, start, log);
    }

    /// <summary>host:port that a node listens at, once it says so.</summary>
    public async Task<string> Address(CancellationToken cancel) =>
        await Task.WhenAny(_address.Task, Ended).WaitAsync(cancel) == Ended && !_address.Task.IsCompleted
            ? throw new SoakFailure($"{Name} ended with exit code {ExitCode} before it listened")
            : await _address.Task;

    /// <summary>Kills it, and returns when it is gone.</summary>
    public async Task Kill()
    {
        _mayEnd = true;
        Signal(SignalKill);
        await Ended;
    }

    /// <summary>Asks it to end.</summary>
    public void Terminate()
    {
        _mayEnd = true;
        Signal(15);
    }

    public void Freeze() => Signal(OperatingSystem.IsMacOS() ? 17 : 19);

    public void Thaw() => Signal(OperatingSystem.IsMacOS() ? 19 : 18);

    /// <summary>Asks those that live to end, the last first; says who did not end in good order.</summary>
    public static async Task<IReadOnlyList<string>> End(IEnumerable<NodeProcess> processes, TimeSpan limit)
    {
        NodeProcess[] left = [.. processes.Where(static process => !process.Ended.IsCompleted).Reverse()];
        Array.ForEach(left, static process => process.Terminate());
        var problems = new List<string>();
        foreach (var process in left)
        {
            try
            {
                await process.Ended.WaitAsync(limit);
                if (process.ExitCode != 0)
                {
                    problems.Add($"{process.Name} ended with exit code {process.ExitCode}");
                }
            }
            catch (TimeoutException)
            {
                problems.Add($"{process.Name} (process {process.Id}) did not end within {limit.TotalSeconds} s of SIGTERM");
            }
        }

        return problems;
    }

    public async ValueTask DisposeAsync()
    {
        if (!Ended.IsCompleted)
        {
            await Kill();
        }

        _process.Dispose();
        lock (_log)
        {
            _log.Dispose();
        }
    }

    private async Task End()
    {
        await _process.WaitForExitAsync();
        ExitCode = _process.ExitCode;
    }

    private void Signal(int signal)
    {
        if (!Ended.IsCompleted)
        {
            _ = kill(Id, signal);
        }
    }

    private void Heard(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_log)
        {
            _log.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} {line}");
        }

        if (line.StartsWith("node ", StringComparison.Ordinal))
        {
            _address.TrySetResult(line.Split(' ')[1]);
        }
    }

    [DllImport("libc")]
    private static extern int kill(int process, int signal);
}

/// <summary>The soak shows a failure of the product.</summary>
internal sealed class SoakFailure(string message) : Exception(message);
