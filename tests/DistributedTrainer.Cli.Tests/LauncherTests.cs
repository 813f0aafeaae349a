using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tests;

public sealed class LauncherTests : IDisposable
{
    private readonly FakeProcesses _processes = new();
    private readonly ManualTime _time = new();
    private readonly List<IProtocolMessage> _told = [];
    private readonly List<string> _notices = [];
    private readonly Launcher _launcher;

    public LauncherTests() => _launcher = new Launcher(_processes, _time, 2, _told.Add, _notices.Add);

    public void Dispose() => _launcher.Dispose();

    [Fact]
    public void Launcher_starts_a_node_that_joins_the_cluster()
    {
        _launcher.Start("worker", "127.0.0.1:4053");
        Assert.Equal(["node", "--roles", "worker", "--join", "127.0.0.1:4053", "--launched"], Assert.Single(_processes.Started).Arguments);
    }

    [Fact]
    public void Nodes_of_a_closed_cluster_are_told_where_their_certificates_are()
    {
        using var launcher = new Launcher(_processes, _time, 2, _told.Add, _notices.Add, "/etc/dtrain/tls");
        launcher.Start("server", "127.0.0.1:4053");
        Assert.Equal(["node", "--roles", "server", "--join", "127.0.0.1:4053", "--launched", "--tls", "/etc/dtrain/tls"], Assert.Single(_processes.Started).Arguments);
    }

    [Fact]
    public void Workers_are_told_how_many_threads_they_have()
    {
        using var launcher = new Launcher(_processes, _time, 2, _told.Add, _notices.Add, perNode: 3);
        launcher.Start("worker", "127.0.0.1:4053");
        launcher.Start("server", "127.0.0.1:4053");
        Assert.Equal(["node", "--roles", "worker", "--join", "127.0.0.1:4053", "--launched", "--workers-per-node", "3"], _processes.Started[0].Arguments);
        Assert.Equal(["node", "--roles", "server", "--join", "127.0.0.1:4053", "--launched"], _processes.Started[1].Arguments);
    }

    [Fact]
    public void Where_the_log_is_json_nodes_speak_it_and_their_events_go_on_as_they_are()
    {
        using var output = new MemoryStream();
        using var launcher = new Launcher(_processes, _time, 2, _told.Add, _notices.Add, lines: new JsonLines(output));
        launcher.Start("worker", "a:1");
        Assert.Equal(["--log-format", "json"], _processes.Started[0].Arguments.TakeLast(2));
        _processes.Started[0].Say("{\"message\":\"hello\",\"node\":\"w\"}");
        Assert.Equal(new Submissions.LogLine("worker", "hello"), Assert.Single(_told));
        Assert.Equal("{\"message\":\"hello\",\"node\":\"w\"}\n", System.Text.Encoding.UTF8.GetString(output.ToArray()));
    }

    [Fact]
    public void A_dead_process_is_told_at_once_and_launched_again_later_each_time()
    {
        _launcher.Start("worker", "a:1");
        _processes.Started[0].Exit(137);
        var died = Assert.IsType<Submissions.ProcessDied>(Assert.Single(_told));
        Assert.Equal(_processes.Started[0].Id, died.ProcessId);
        Assert.Contains("killed by signal 9", died.Reason, StringComparison.Ordinal);

        _time.Advance(TimeSpan.FromMilliseconds(199));
        Assert.Single(_processes.Started);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, _processes.Started.Count);

        _processes.Started[1].Exit(1);
        _time.Advance(TimeSpan.FromMilliseconds(399));
        Assert.Equal(2, _processes.Started.Count);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(3, _processes.Started.Count);
    }

    [Fact]
    public void After_the_limit_it_gives_up_and_says_so()
    {
        _launcher.Start("worker", "a:1");
        for (var i = 0; i < 3; i++)
        {
            _processes.Started[^1].Exit(137);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(3, _processes.Started.Count);
        var gaveUp = Assert.Single(_told.OfType<Submissions.GaveUp>());
        Assert.Equal("worker", gaveUp.Role);
        Assert.Contains("cluster.max-restarts is 2", gaveUp.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_place_has_its_own_limit()
    {
        _launcher.Start("worker", "a:1");
        _launcher.Start("worker", "a:1");
        foreach (var child in _processes.Started.ToArray())
        {
            child.Exit(137);
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(4, _processes.Started.Count);
        Assert.Empty(_told.OfType<Submissions.GaveUp>());
    }

    [Fact]
    public void A_process_that_ends_in_good_order_is_not_missed()
    {
        _launcher.Start("server", "a:1");
        _processes.Started[0].Exit(0);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Single(_processes.Started);
        Assert.Empty(_told);
    }

    [Fact]
    public void What_a_process_prints_goes_into_the_log_and_its_last_words_to_the_user_when_it_fails()
    {
        _launcher.Start("server", "a:1");
        for (var i = 0; i < 30; i++)
        {
            _processes.Started[0].Say($"line {i}");
        }

        Assert.Equal(30, _told.OfType<Submissions.LogLine>().Count());
        Assert.Empty(_notices);
        _processes.Started[0].Exit(134 - 128);
        Assert.Equal(20, _notices.Count);
        Assert.EndsWith("line 29", _notices[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Disposing_asks_all_to_end_waits_and_launches_nobody_again()
    {
        _launcher.Start("server", "a:1");
        _launcher.Start("worker", "a:1");
        _processes.Started[0].Exit(137);
        _launcher.Dispose();
        Assert.False(_processes.Started[0].Closed);
        Assert.True(_processes.Started[1].Closed);
        Assert.True(_processes.Started[1].Killed);
        _processes.Started[1].Exit(137);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(2, _processes.Started.Count);
    }

    [Fact]
    public void Delays_double_up_to_five_seconds()
    {
        using var launcher = new Launcher(_processes, _time, 20, _told.Add, _notices.Add);
        launcher.Start("worker", "a:1");
        foreach (var delay in (int[])[200, 400, 800, 1600, 3200, 5000, 5000, 5000])
        {
            ExpectLaunchAfter(delay);
        }
    }

    [Fact]
    public void Who_has_lived_for_ten_seconds_is_launched_after_the_first_delay_again()
    {
        using var launcher = new Launcher(_processes, _time, 20, _told.Add, _notices.Add);
        launcher.Start("worker", "a:1");
        ExpectLaunchAfter(200);
        ExpectLaunchAfter(400);

        // Almost long enough is not.
        _time.Advance(TimeSpan.FromSeconds(9.999));
        ExpectLaunchAfter(800);
        _time.Advance(TimeSpan.FromSeconds(10));
        ExpectLaunchAfter(200);
        ExpectLaunchAfter(400);
    }

    [Fact]
    public void A_long_life_does_not_give_launches_back()
    {
        _launcher.Start("worker", "a:1");
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            _processes.Started[^1].Exit(137);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(3, _processes.Started.Count);
        Assert.Single(_told.OfType<Submissions.GaveUp>());
    }

    private void ExpectLaunchAfter(int milliseconds)
    {
        var before = _processes.Started.Count;
        _processes.Started[^1].Exit(137);
        _time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
        Assert.Equal(before, _processes.Started.Count);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(before + 1, _processes.Started.Count);
    }

    private sealed class FakeProcesses : IChildProcesses
    {
        public List<FakeChild> Started { get; } = [];

        public IChild Start(IReadOnlyList<string> arguments, Action<string> output, Action<IChild, int> exited)
        {
            var child = new FakeChild(Started.Count + 100, arguments, output, exited);
            Started.Add(child);
            return child;
        }
    }

    private sealed class FakeChild(int id, IReadOnlyList<string> arguments, Action<string> output, Action<IChild, int> exited) : IChild
    {
        public int Id => id;

        public IReadOnlyList<string> Arguments => arguments;

        public bool Closed { get; private set; }

        public bool Killed { get; private set; }

        public void Say(string line) => output(line);

        public void Exit(int code) => exited(this, code);

        public void Close() => Closed = true;

        public void Kill(TimeSpan limit) => Killed = true;
    }
}
