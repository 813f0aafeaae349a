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

    private IChannelListener Listen(string transport, RecordingHandler handler) =>
        new SocketTransport().Listen(transport == "tcp" ? "tcp://127.0.0.1:0" : $"unix://{_folder}/s", _ => handler, new ChannelOptions());

    private static Process Start(string address, string mode) =>
        Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", typeof(Program).Assembly.Location, address, mode]))!;
}
