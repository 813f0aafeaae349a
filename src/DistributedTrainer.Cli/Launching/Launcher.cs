using System.Globalization;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Launching;

/// <summary>
/// Keeps a local cluster's processes running: a dead one is told to the coordinator at once and launched again, later
/// each time, up to a limit for each place.
/// </summary>
/// <param name="processes">Starts them.</param>
/// <param name="time">Tells the time.</param>
/// <param name="maximumRestarts">For each place.</param>
/// <param name="tellCoordinator">Tells the coordinator.</param>
/// <param name="notice">Tells whoever watches.</param>
/// <param name="tls">The folder of certificates, where the cluster is encrypted.</param>
/// <param name="perNode">Threads of each worker.</param>
/// <param name="lines">Where the events of its processes go on to, which then speak JSON; null: they speak text.</param>
internal sealed class Launcher(
    IChildProcesses processes, TimeProvider time, int maximumRestarts, Action<IProtocolMessage> tellCoordinator, Action<string> notice, string? tls = null, int perNode = 1, JsonLines? lines = null) : IDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);

    // Later each time, but never longer than this.
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    // Who has lived for so long was launched well: the next delay is the first again.
    private static readonly TimeSpan GoodLife = TimeSpan.FromSeconds(10);

    // Time that the processes have to end by themselves.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(3);

    // What a process said last: shown when it ends by itself with an error.
    private const int LastWords = 20;

    private readonly Lock _gate = new();
    private readonly HashSet<IChild> _running = [];
    private readonly List<ITimer> _timers = [];
    private bool _ended;

    /// <summary>Starts one node of this role that joins the cluster.</summary>
    public void Start(string role, string join) => Start(role, join, restarts: 0, inARow: 0);

    public void Dispose()
    {
        IChild[] left;
        lock (_gate)
        {
            _ended = true;
            left = [.. _running];
            foreach (var timer in _timers)
            {
                timer.Dispose();
            }
        }

        foreach (var child in left)
        {
            child.Close();
        }

        foreach (var child in left)
        {
            child.Kill(EndLimit);
        }
    }

    private void Start(string role, string join, int restarts, int inARow)
    {
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }

            var (said, since) = (new Queue<string>(), time.GetTimestamp());
            _running.Add(processes.Start(
                ["node", "--roles", role, "--join", join, "--launched", .. Threads(role), .. tls is null ? (string[])[] : ["--tls", tls], .. lines is null ? (string[])[] : ["--log-format", "json"]],
                line => Said(role, line, said),
                (child, code) => Exited(role, join, restarts, time.GetElapsedTime(since) >= GoodLife ? 0 : inARow, child, code, said)));
        }
    }

    private string[] Threads(string role) =>
        role == "worker" && perNode > 1 ? ["--workers-per-node", perNode.ToString(CultureInfo.InvariantCulture)] : [];

    private void Exited(string role, string join, int restarts, int inARow, IChild child, int code, Queue<string> said)
    {
        string[] last;
        lock (said)
        {
            last = [.. said];
        }

        lock (_gate)
        {
            _running.Remove(child);
            if (_ended || code == 0)
            {
                return;
            }

            // 128 + n: ended by signal n, as shells count.
            var killed = code > 128;
            var reason = killed ? $"process {child.Id} was killed by signal {code - 128}" : $"process {child.Id} ended with exit code {code}";
            foreach (var line in killed ? [] : last)
            {
                notice($"{role} {child.Id}: {line}");
            }

            tellCoordinator(new Submissions.ProcessDied(child.Id, reason));
            if (restarts >= maximumRestarts)
            {
                tellCoordinator(new Submissions.GaveUp(role, $"{reason}, and cluster.max-restarts is {maximumRestarts}"));
                return;
            }

            var delay = FirstDelay * Math.Pow(2, Math.Min(inARow, 16));
            _timers.Add(time.CreateTimer(_ => Start(role, join, restarts + 1, inARow + 1), null, delay < LongestDelay ? delay : LongestDelay, Timeout.InfiniteTimeSpan));
        }
    }

    private void Said(string role, string line, Queue<string> said)
    {
        if (lines is not null)
        {
            // They know their node, run and step themselves; the run's log is for a person.
            lines.Pass(line);
            line = JsonLines.MessageOf(line);
        }

        lock (said)
        {
            said.Enqueue(line);
            while (said.Count > LastWords)
            {
                said.Dequeue();
            }
        }

        tellCoordinator(new Submissions.LogLine(role, line));
    }
}
