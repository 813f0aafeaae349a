using System.Globalization;
using DistributedTrainer.Protocol;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DistributedTrainer.Cli.Views;

/// <summary>A table of the nodes under a progress bar, redrawn in place.</summary>
internal sealed class LiveView : IRunView
{
    private const int BarWidth = 40;
    private const int NoticesShown = 5;

    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _changed = new();
    private readonly Queue<string> _notices = new();
    private readonly Thread _thread;
    private Submissions.View? _view;
    private volatile bool _ended;

    public LiveView(IAnsiConsole console)
    {
        _thread = new Thread(() => console.Live(new Text("Starting the cluster ...")).Start(Draw)) { IsBackground = true, Name = "live view" };
        _thread.Start();
    }

    public void Show(Submissions.View view)
    {
        lock (_gate)
        {
            _view = view;
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
            _ended = true;
            _changed.Set();
            _thread.Join();
        }
    }

    /// <summary>What is drawn for a view and the last notices.</summary>
    internal static IRenderable Render(Submissions.View? view, IEnumerable<string> notices)
    {
        var lines = new List<IRenderable>();
        if (view is not null)
        {
            var done = view.Steps == 0 ? 0 : (int)(BarWidth * view.Step / view.Steps);
            lines.Add(new Text($"[{new string('#', done)}{new string('.', BarWidth - done)}] {Texts.TimeLeft(view)}"));
            lines.Add(new Text(Texts.Line(view)));
            var table = new Table().RoundedBorder().AddColumns("node", "role", "process", "state", "shards", "rows/s");
            foreach (var node in view.Nodes)
            {
                table.AddRow(
                    new Text(node.Node),
                    new Text(node.Role),
                    new Text(node.ProcessId.ToString(CultureInfo.InvariantCulture)),
                    new Text(node.State),
                    new Text(string.Join(' ', node.Shards)),
                    new Text(node.Role == "worker" ? node.RowsPerSecond.ToString("#,0", CultureInfo.InvariantCulture) : ""));
            }

            lines.Add(table);
        }

        lines.AddRange(notices.Select(static notice => new Text(notice)));
        return new Rows(lines);
    }

    private void Draw(LiveDisplayContext context)
    {
        while (true)
        {
            _changed.Wait();
            _changed.Reset();
            lock (_gate)
            {
                context.UpdateTarget(Render(_view, _notices));
            }

            if (_ended)
            {
                return;
            }
        }
    }
}
