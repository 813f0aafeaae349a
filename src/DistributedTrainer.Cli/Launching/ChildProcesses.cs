using System.Diagnostics;
using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Cli.Launching;

/// <summary>A process that the launcher started.</summary>
internal interface IChild
{
    int Id { get; }

    /// <summary>Closes its standard input, which tells it to end.</summary>
    void Close();

    /// <summary>Waits for its end and kills it if it has not ended by then.</summary>
    void Kill(TimeSpan limit);
}

/// <summary>Starts child processes; the seam for tests.</summary>
internal interface IChildProcesses
{
    /// <summary>Starts this program with these arguments. <paramref name="exited"/> is called once, with the child and its exit code.</summary>
    IChild Start(IReadOnlyList<string> arguments, Action<string> output, Action<IChild, int> exited);
}

/// <summary>Real processes of this program, whose standard input stays open for as long as this process lives.</summary>
internal sealed class ChildProcesses : IChildProcesses
{
    public IChild Start(IReadOnlyList<string> arguments, Action<string> output, Action<IChild, int> exited)
    {
        var program = Environment.ProcessPath ?? throw new InvalidOperationException("launcher: the path of this program is unknown.");
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };

        // Started as `dotnet dtrain.dll`, the program is dotnet and the assembly its first argument.
        if (Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
        {
            start.ArgumentList.Add(typeof(ChildProcesses).Assembly.Location);
        }

        // Whether the cluster is encrypted, and how many threads a worker has, is among the arguments, or it is not so.
        start.Environment.Remove("DTRAIN_TLS");
        start.Environment.Remove("DTRAIN_WORKERS_PER_NODE");

        // So is the form of the log; and one port is not for all of them.
        start.Environment.Remove("DTRAIN_LOG_FORMAT");
        start.Environment.Remove("DTRAIN_METRICS_PORT");
        start.Environment.Remove("DTRAIN_HEALTH_PORT");
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // What the owner of this process has loaded, its children load from the same files.
        foreach (var file in ExtensionRegistry.Loaded.Select(static extension => extension.File).OfType<string>())
        {
            start.ArgumentList.Add("--extension");
            start.ArgumentList.Add(file);
        }

        return new Child(start, output, exited);
    }

    private sealed class Child : IChild
    {
        private readonly Process _process;

        public Child(ProcessStartInfo start, Action<string> output, Action<IChild, int> exited)
        {
            _process = new Process { StartInfo = start, EnableRaisingEvents = true };
            _process.OutputDataReceived += (_, line) => Pass(line.Data);
            _process.ErrorDataReceived += (_, line) => Pass(line.Data);
            _process.Exited += (_, _) => exited(this, _process.ExitCode);
            _process.Start();
            Id = _process.Id;
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();

            void Pass(string? line)
            {
                if (!string.IsNullOrWhiteSpace(line))
                {
                    output(line);
                }
            }
        }

        public int Id { get; }

        public void Close()
        {
            try
            {
                _process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It has ended by itself, and the pipe with it.
            }
        }

        public void Kill(TimeSpan limit)
        {
            if (!_process.WaitForExit(limit))
            {
                _process.Kill();
            }
        }
    }
}
