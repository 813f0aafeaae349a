using System.Diagnostics;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>The other end is a process of its own, and is killed.</summary>
public sealed class KilledPeerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dtk").FullName;
    private Process? _peer;

    public void Dispose()
    {
        _peer?.Kill();
        _peer?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("tcp")]
    [InlineData("unix")]
    [InlineData("shared-memory")]
    public void A_peer_killed_between_frames_closes_the_channel(string transport)
    {
        var server = new RecordingHandler();
        using var listener = Listen(transport, server);
        _peer = Start(listener.Address, "wait");
        Assert.Equal([1, 2, 3], server.AwaitFrames(1)[0].Payload);
        _peer.Kill();
        var reason = server.AwaitClosed();
        Assert.True(reason.Contains("closed the connection") || reason.Contains("connection lost"), reason);
        Assert.Equal(0, server.Abandonments);
        server.AssertRulesKept();
    }

    [Theory]
    [InlineData("tcp")]
    [InlineData("unix")]
    [InlineData("shared-memory")]
    public void A_peer_killed_in_the_middle_of_a_frame_leaves_it_abandoned(string transport)
    {
        var server = new RecordingHandler
        {
            Keeps = false,
            OnReserve = (_, header) =>
            {
                if (header.Step != 2) return;
                // More than the system buffers is still to come from the peer's memory.
                _peer!.Kill();
                _peer.WaitForExit();
            },
        };
        using var listener = Listen(transport, server);
        _peer = Start(listener.Address, "flood");
        var reason = server.AwaitClosed();
        Assert.True(reason.Contains("in the middle of a frame") || reason.Contains("connection lost"), reason);
        Assert.Equal(1, server.Abandonments);
        Assert.Equal(2, server.Frames.Length);
        server.AssertRulesKept();
    }

    [Fact]
    public void A_peer_killed_while_both_hold_leases_gives_back_what_it_had_and_leaves_what_it_lent()
    {
        var server = new OfferHandler();
        var accepted = new TaskCompletionSource<IChannel>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new SharedMemoryTransport().Listen(
            $"shared-memory://{_folder}/s",
            channel =>
            {
                accepted.TrySetResult(channel);
                return server;
            },
            new ChannelOptions());
        _peer = Start(listener.Address, "lend");
        var channel = accepted.Task.Await("the connection");
        using var payload = new BufferPayload(Bytes.Random(60_000, 5));
        channel.Post(Bytes.Header(), payload);
        var leases = server.AwaitLeases(2);
        server.Copies.AwaitFrames(1);
        Assert.Equal(0, payload.Releases);

        _peer.Kill();
        _peer.WaitForExit();
        server.Copies.AwaitClosed();
        Patience.Until(() => payload.Releases > 0, "the release");
        channel.Dispose();
        Assert.Equal(1, payload.Releases);
        foreach (var (_, lease) in leases)
        {
            Assert.True(lease.Bytes.SequenceEqual(Bytes.Random(Program.LentBytes, Program.LentSeed)));
            lease.Dispose();
        }

        Assert.Empty(Directory.EnumerateFiles("/dev/shm", "*dtrain*"));
        using var next = new SharedMemoryTransport().Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        Assert.True(next.IsOpen);
    }

    [Fact]
    public void Channels_that_come_and_go_leave_no_descriptor_no_mapping_and_no_thread()
    {
        _peer = Start($"shared-memory://{_folder}/s", "churn");
        Assert.True(_peer.WaitForExit((int)Patience.Limit.TotalMilliseconds), "the process did not end");
        Assert.Equal(0, _peer.ExitCode);
    }

    private IChannelListener Listen(string transport, RecordingHandler handler) => transport switch
    {
        "tcp" => new SocketTransport().Listen("tcp://127.0.0.1:0", _ => handler, new ChannelOptions()),
        "unix" => new SocketTransport().Listen($"unix://{_folder}/s", _ => handler, new ChannelOptions()),
        _ => new SharedMemoryTransport().Listen($"shared-memory://{_folder}/s", _ => handler, new ChannelOptions()),
    };

    private static Process Start(string address, string mode) =>
        Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", typeof(Program).Assembly.Location, address, mode]))!;
}
