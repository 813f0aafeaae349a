using System.Diagnostics;
using System.Reflection;
using System.Text;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Runs the program as its user does: as a process of its own, which starts others.</summary>
internal sealed class Dtrain : IAsyncDisposable
{
    /// <summary>Long enough for a busy machine; a test that comes near it has failed.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    /// <summary>The built program.</summary>
    private static readonly string Program = Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(static data => data.Key == "Program").Value!;

    // The console is one for all.
    private static readonly SemaphoreSlim Within = new(1);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly List<(Func<string, bool> Awaited, TaskCompletionSource<string> Seen)> _awaited = [];

    private Dtrain(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, line) => Heard(line.Data, _output);
        _process.ErrorDataReceived += (_, line) => Heard(line.Data, _errors);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    /// <summary>Starts dtrain with these arguments.</summary>
    public static Dtrain Start(IEnumerable<string> arguments, string? directory = null, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = directory ?? Path.GetTempPath(),
        };
        start.ArgumentList.Add(Program);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new Dtrain(start);
    }

    /// <summary>Runs the program within this process, which has compiled its code already: for what a run comes to, however it is started.</summary>
    public static async Task<(int Code, string Output, string Errors)> RunWithin(IReadOnlyList<string> arguments)
    {
        await Within.WaitAsync();
        var (consoleOutput, consoleErrors) = (Console.Out, Console.Error);
        await using var output = new StringWriter();
        await using var errors = new StringWriter();
        Console.SetOut(output);
        Console.SetError(errors);
        try
        {
            var code = await Task.Run(() => (int)Assembly.Load("dtrain").EntryPoint!.Invoke(null, [arguments.ToArray()])!).WaitAsync(Limit);
            return (code, output.ToString(), errors.ToString());
        }
        finally
        {
            Console.SetOut(consoleOutput);
            Console.SetError(consoleErrors);
            Within.Release();
        }
    }

    /// <summary>The same through a shell that has the program and its children take no notice of a file's size limit but by the error.</summary>
    public static Dtrain StartWithFullDiskErrors(IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = Path.GetTempPath() };
        foreach (var argument in (IEnumerable<string>)["-c", "trap '' XFSZ; exec dotnet \"$0\" \"$@\"", Program, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new Dtrain(start);
    }

    /// <summary>Runs to the end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> Run(
        IEnumerable<string> arguments, string? directory = null, params (string Name, string Value)[] environment)
    {
        await using var dtrain = Start(arguments, directory, environment);
        return await dtrain.End();
    }

    /// <summary>Waits for a line of output, of either kind.</summary>
    public async Task<string> Line(Func<string, bool> awaited)
    {
        var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_awaited)
        {
            var past = (_output.ToString() + _errors).Split('\n').FirstOrDefault(line => line.Length > 0 && awaited(line));
            if (past is not null)
            {
                return past;
            }

            _awaited.Add((awaited, seen));
        }

        var ended = _process.WaitForExitAsync();
        return await Task.WhenAny(seen.Task, ended).WaitAsync(Limit) == ended && !seen.Task.IsCompleted
            ? throw new InvalidOperationException($"dtrain ended with exit code {_process.ExitCode} before the line came.\n{_output}\n{_errors}")
            : await seen.Task;
    }

    public async Task<(int ExitCode, string Output, string Errors)> End()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"dtrain did not end.\n{_output}\n{_errors}");
        }

        lock (_awaited)
        {
            return (_process.ExitCode, _output.ToString(), _errors.ToString());
        }
    }

    public void Signal(string name) => Signal(_process.Id, name);

    /// <summary>Sends a signal such as KILL to any process.</summary>
    public static void Signal(int process, string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Heard(string? line, StringBuilder into)
    {
        if (line is null)
        {
            return;
        }

        lock (_awaited)
        {
            into.Append(line).Append('\n');
            foreach (var entry in _awaited.Where(entry => entry.Awaited(line)).ToArray())
            {
                _awaited.Remove(entry);
                entry.Seen.TrySetResult(line);
            }
        }
    }
}

/// <summary>A folder that is removed with its test, and what a run leaves in it.</summary>
internal sealed class RunDirectory : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dtrain-test-");

    /// <summary>Where the run goes.</summary>
    public string Run => In("run");

    /// <summary>The text of result.json.</summary>
    public JsonElement Result => JsonDocument.Parse(File.ReadAllText(Path.Combine(Run, "result.json"))).RootElement;

    public string Hash => Result.GetProperty("parametersSha256").GetString()!;

    public IReadOnlyList<JsonElement> Metrics =>
        [.. File.ReadLines(Path.Combine(Run, "metrics.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)];

    public IReadOnlyList<(string Role, int Process)> Nodes =>
        [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(Run, "nodes.json"))).RootElement.EnumerateArray()
            .Select(static node => (node.GetProperty("role").GetString()!, node.GetProperty("processId").GetInt32()))];

    /// <summary>Steps of the checkpoints, ascending.</summary>
    public IReadOnlyList<long> Checkpoints =>
        [.. Directory.GetDirectories(Path.Combine(Run, "checkpoints"), "step-*").Where(static folder => File.Exists(Path.Combine(folder, "manifest.json")))
            .Select(static folder => long.Parse(Path.GetFileName(folder)[5..], System.Globalization.CultureInfo.InvariantCulture)).Order()];

    public string Log => File.ReadAllText(Path.Combine(Run, "log.txt"));

    /// <summary>Each step and evaluation, without what depends on time.</summary>
    public IReadOnlyList<string> Course =>
        [.. Metrics.Select(static line => string.Join(
            ' ', line.EnumerateObject().Where(static member => member.Name is not ("rowsPerSecond" or "seconds")).Select(static member => $"{member.Name}={member.Value}")))];

    public string In(string name) => Path.Combine(_root.FullName, name);

    public void Dispose() => _root.Delete(recursive: true);
}
