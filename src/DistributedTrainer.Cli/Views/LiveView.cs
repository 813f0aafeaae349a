using System.Runtime.InteropServices;
using DistributedTrainer.Protocol;
using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

/// <summary>How a run stands, redrawn in place; and anew where the terminal gets another size.</summary>
internal sealed class LiveView : IRunView
{
    private const int NoticesShown = 5;

    private readonly IAnsiConsole _console;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _changed = new();
    private readonly Queue<string> _notices = new();
    private readonly RunCourse _course = new();
    private readonly Thread _thread;
    private readonly PosixSignalRegistration? _resized;
    private volatile bool _isResized;
    private volatile bool _ended;

    public LiveView(IAnsiConsole console)
    {
        _console = console;
        _resized = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ =>
        {
            _isResized = true;
            _changed.Set();
        });
        _thread = new Thread(() => console.Live(new Text("Starting the cluster ...")).Start(Draw)) { IsBackground = true, Name = "live view" };
        _thread.Start();
    }

    public void Show(Submissions.View view)
    {
        lock (_gate)
        {
            _course.Heard(view);
        }

        _changed.Set();
    }

    public void Notice(string text)
    {
        lock (_gate)
        {
            _notices.Enqueue(text);
            while (_notices.Count > NoticesShown)
            {
                _notices.Dequeue();
            }
        }

        _changed.Set();
    }

    public void Dispose()
    {
        if (!_ended)
        {
            _resized?.Dispose();
            _ended = true;
            _changed.Set();
            _thread.Join();
        }
    }

    private void Draw(LiveDisplayContext context)
    {
        while (true)
        {
            _changed.Wait();
            _changed.Reset();
            if (_isResized)
            {
                // The terminal has broken the lines anew: nobody knows where they are now.
                _isResized = false;
                _console.Clear();
            }

            lock (_gate)
            {
                context.UpdateTarget(LivePicture.Of(_course, _notices, _console.Profile.Width, _console.Profile.Height, _console.Profile.Capabilities.Unicode));
            }

            if (_ended)
            {
                return;
            }
        }
    }
}
