using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

public sealed class TcpTransportTests : SocketContract
{
    private protected override string[] ForeignAddresses => ["", "in-process://x", "tcp://127.0.0.1", "tcp:127.0.0.1:0"];

    private protected override string FreshAddress() => "tcp://127.0.0.1:0";

    [Fact]
    public void The_system_chooses_the_port()
    {
        using var first = Listen(new ChannelOptions());
        using var second = Listen(new ChannelOptions());
        Assert.Matches(@"^tcp://127\.0\.0\.1:[1-9]\d*$", first.Address);
        Assert.NotEqual(first.Address, second.Address);
    }

    [Fact]
    public void A_host_name_is_looked_up()
    {
        using var listener = Transport.Listen("tcp://localhost:0", _ => new RecordingHandler(), new ChannelOptions());
        Assert.StartsWith("tcp://localhost:", listener.Address);
        using var channel = Transport.Connect(listener.Address, new RecordingHandler(), new ChannelOptions());
        Assert.True(channel.IsOpen);
    }

    [Fact]
    public void An_unknown_host_is_an_error_that_names_it()
    {
        Assert.Contains("tcp://nowhere.invalid:1", Assert.Throws<ChannelClosedException>(() => Transport.Connect("tcp://nowhere.invalid:1", new RecordingHandler(), new ChannelOptions())).Message);
        Assert.Contains("tcp://nowhere.invalid:1", Assert.Throws<IOException>(() => Transport.Listen("tcp://nowhere.invalid:1", _ => new RecordingHandler(), new ChannelOptions())).Message);
    }

    [Fact]
    public void An_IPv6_address_works_where_there_is_one()
    {
        try
        {
            using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        }
        catch (SocketException)
        {
            // No IPv6 on this machine: then the same address must fail cleanly.
            Assert.Throws<IOException>(() => Transport.Listen("tcp://[::1]:0", _ => new RecordingHandler(), new ChannelOptions()));
            return;
        }

        using var link = Link.Open(Transport, "tcp://[::1]:0");
        Assert.StartsWith("tcp://[::1]:", link.Listener.Address);
        Assert.StartsWith("tcp://[::1]:", link.Server.Peer);
        link.Client.Send(Bytes.Header(), [1]);
        link.ServerHandler.AwaitFrames(1);
    }
}
