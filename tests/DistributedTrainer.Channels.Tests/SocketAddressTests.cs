using System.Net;
using System.Net.Sockets;
using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels.Tests;

public class SocketAddressTests
{
    [Theory]
    [InlineData("tcp://127.0.0.1:5000", "127.0.0.1", 5000)]
    [InlineData("tcp://node-1.example:0", "node-1.example", 0)]
    [InlineData("tcp://[::1]:65535", "::1", 65535)]
    public void A_tcp_address_is_read_and_written(string text, string host, int port)
    {
        var address = SocketAddress.Parse(text);
        Assert.Equal(new SocketAddress(null, host, port), address);
        Assert.Equal(text, address.ToString());
    }

    [Fact]
    public void A_unix_address_is_read_and_written()
    {
        var address = SocketAddress.Parse("unix:///tmp/a:b.sock");
        Assert.Equal("/tmp/a:b.sock", address.Path);
        Assert.Equal("unix:///tmp/a:b.sock", address.ToString());
    }

    /// <summary>What is sent to a host that vanished would be repeated for a quarter of an hour.</summary>
    [Fact]
    public void A_connection_gives_what_is_not_acknowledged_up_within_a_minute()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var socket = SocketAddress.CreateSocket(new IPEndPoint(IPAddress.Loopback, 0));
        SocketAddress.Tune(socket);
        var milliseconds = new byte[sizeof(int)];
        socket.GetRawSocketOption((int)SocketOptionLevel.Tcp, 18, milliseconds);
        Assert.InRange(BitConverter.ToInt32(milliseconds), 10_000, 60_000);
    }

    [Theory]
    [InlineData("")]
    [InlineData("127.0.0.1:5000")]
    [InlineData("tcp://")]
    [InlineData("tcp://host")]
    [InlineData("tcp://:5000")]
    [InlineData("tcp://host:")]
    [InlineData("tcp://host:65536")]
    [InlineData("tcp://host:-1")]
    [InlineData("tcp://host: 1")]
    [InlineData("tcp://host:99999999999")]
    [InlineData("TCP://host:1")]
    [InlineData("unix://")]
    [InlineData("in-process://name")]
    public void A_malformed_address_is_named_in_the_error(string text)
    {
        var error = Assert.Throws<ArgumentException>(() => SocketAddress.Parse(text));
        Assert.Contains($"'{text}'", error.Message);
    }

    [Fact]
    public void A_socket_that_is_connected_to_itself_is_known_as_such()
    {
        using var alone = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        alone.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        alone.Connect(alone.LocalEndPoint!);
        Assert.True(SocketAddress.IsItself(alone));

        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Connect(listener.LocalEndPoint!);
        Assert.False(SocketAddress.IsItself(other));
    }
}
