using System.Net.Sockets;
using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

public sealed class UnixTransportTests : SocketContract, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dtc").FullName;
    private int _number;

    private protected override string[] ForeignAddresses => ["", "in-process://x", "shared-memory:///x", "unix:/x"];

    private string FreshPath => Path.Combine(_folder, $"{Interlocked.Increment(ref _number)}.sock");

    private protected override string FreshAddress() => $"unix://{FreshPath}";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_file_is_there_while_somebody_listens_and_only_for_this_user()
    {
        var path = FreshPath;
        using (Listen(path))
        {
            Assert.True(File.Exists(path));
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void The_file_of_a_listener_that_was_killed_is_replaced()
    {
        var path = StaleFile();
        using var link = Link.Open(Transport, $"unix://{path}");
        link.Client.Send(Bytes.Header(), [1]);
        link.ServerHandler.AwaitFrames(1);
    }

    [Fact]
    public void The_path_of_a_living_listener_is_refused_by_name()
    {
        var path = FreshPath;
        using var first = Listen(path);
        Assert.Contains($"somebody else listens at {path}", Assert.Throws<IOException>(() => Listen(path)).Message);
        using var channel = Transport.Connect(first.Address, new RecordingHandler(), new ChannelOptions());
        Assert.True(channel.IsOpen);
    }

    [Fact]
    public void A_listener_that_does_not_get_to_accept_is_a_living_one()
    {
        using var busy = RawListener(backlog: 0, out var address);
        var waiting = new List<Socket>();
        try
        {
            // Until the queue is full: then a further blocking call would wait.
            while (true)
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
                waiting.Add(socket);
                try { socket.Connect(new UnixDomainSocketEndPoint(address["unix://".Length..])); }
                catch (SocketException) { break; }
            }

            Assert.Contains("somebody else listens", Assert.Throws<IOException>(() => Transport.Listen(address, _ => new RecordingHandler(), new ChannelOptions())).Message);
        }
        finally
        {
            foreach (var socket in waiting) socket.Dispose();
        }
    }

    [Fact]
    public void A_file_that_is_no_socket_is_left_alone()
    {
        var path = FreshPath;
        File.WriteAllText(path, "precious");
        Assert.Contains(path, Assert.Throws<IOException>(() => Listen(path)).Message);
        Assert.Equal("precious", File.ReadAllText(path));
        Assert.Contains(_folder, Assert.Throws<IOException>(() => Listen(_folder)).Message);
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_an_error_that_names_the_path()
    {
        var path = Path.Combine(_folder, "missing", "x.sock");
        Assert.Contains(path, Assert.Throws<IOException>(() => Listen(path)).Message);
        Assert.Contains(path, Assert.Throws<ChannelClosedException>(() => Transport.Connect($"unix://{path}", new RecordingHandler(), new ChannelOptions())).Message);
    }

    [Fact]
    public void A_path_that_is_too_long_is_an_error_that_says_so()
    {
        var path = Path.Combine(_folder, new string('x', 120));
        foreach (var call in new Action[] { () => Listen(path), () => Transport.Connect($"unix://{path}", new RecordingHandler(), new ChannelOptions()) })
        {
            var message = Assert.Throws<ArgumentException>(call).Message;
            Assert.Contains(path, message);
            Assert.Contains("too long", message);
        }
    }

    [Fact]
    public void Of_many_that_want_the_path_of_a_dead_listener_one_gets_it_and_is_reached()
    {
        for (var round = 0; round < 40; round++)
        {
            var path = StaleFile();
            var winners = new System.Collections.Concurrent.ConcurrentBag<IChannelListener>();
            using var start = new Barrier(3);
            var threads = Enumerable.Range(0, 3).Select(_ => Patience.Start(() =>
            {
                Assert.True(start.SignalAndWait(Patience.Limit));
                try { winners.Add(Listen(path)); }
                catch (IOException) { /* Another one was quicker. */ }
            })).ToArray();
            foreach (var thread in threads) thread.Await();
            using var winner = Assert.Single(winners);
            using var channel = Transport.Connect(winner.Address, new RecordingHandler(), new ChannelOptions());
            Assert.True(channel.IsOpen);
        }
    }

    [Fact]
    public void Whoever_sweeps_up_after_the_dead_leaves_those_alone_who_are_about_to_listen()
    {
        using var enough = new CancellationTokenSource();
        var sweeper = Patience.Start(() =>
        {
            while (!enough.IsCancellationRequested) SocketTransport.RemoveStaleFiles(_folder, "*.sock");
        });
        for (var round = 0; round < 500; round++)
        {
            var path = FreshPath;
            using var listener = Listen(path);
            Assert.True(File.Exists(path), $"the file is gone in round {round}");
        }

        enough.Cancel();
        sweeper.Await();
    }

    [Fact]
    public void A_listener_that_ends_does_not_remove_the_file_of_its_successor()
    {
        for (var round = 0; round < 100; round++)
        {
            var path = FreshPath;
            var first = Listen(path);
            var ending = Patience.Start(first.Dispose);
            IChannelListener? second = null;
            Patience.Until(() =>
            {
                try { second = Listen(path); }
                catch (IOException) { return false; }
                return true;
            }, "the end of the first listener");
            ending.Await();
            using (second)
            {
                using var channel = Transport.Connect($"unix://{path}", new RecordingHandler(), new ChannelOptions());
                Assert.True(channel.IsOpen);
            }
        }
    }

    private IChannelListener Listen(string path) => Transport.Listen($"unix://{path}", _ => new RecordingHandler(), new ChannelOptions());

    /// <summary>A socket file that nobody listens at: what is left of a killed process.</summary>
    private string StaleFile()
    {
        var path = FreshPath;
        var moved = path + ".moved";
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(moved));
            socket.Listen();
            // Moved away, since closing the socket would remove its file.
            File.Move(moved, path);
        }

        Assert.True(File.Exists(path));
        return path;
    }
}
