using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels.Tests.Support;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Channels.Tests;

public sealed class TlsProbeTests : IDisposable
{
    private readonly TestAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    [Fact]
    public async Task An_encrypted_port_is_found()
    {
        using var encrypted = Listen(_authority.Node());
        Assert.True(await Probe(encrypted.Address));
    }

    [Fact]
    public async Task Whoever_takes_an_empty_message_is_not_told_of_TLS()
    {
        using var open = Listen();
        using var end = new CancellationTokenSource();
        var asked = TlsProbe.SpeaksTlsAsync("127.0.0.1", ((IPEndPoint)open.LocalEndPoint!).Port, end.Token);
        using var peer = await open.AcceptAsync();
        var said = new byte[100];
        Assert.Equal([0, 0, 0, 0], said[..await peer.ReceiveAsync(said)]);

        await end.CancelAsync();
        Assert.False(await asked);
        Assert.Equal(0, await peer.ReceiveAsync(said));
        Assert.False(open.Poll(TimeSpan.Zero, SelectMode.SelectRead));
    }

    [Fact]
    public async Task Whoever_hangs_up_and_shows_no_certificate_speaks_no_TLS()
    {
        using var open = Listen();
        var asked = TlsProbe.SpeaksTlsAsync("127.0.0.1", ((IPEndPoint)open.LocalEndPoint!).Port, CancellationToken.None);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        (await open.AcceptAsync(limit.Token)).Dispose();
        (await open.AcceptAsync(limit.Token)).Dispose();
        Assert.False(await asked);
    }

    [Fact]
    public async Task Where_nobody_listens_or_somebody_is_silent_the_answer_is_no()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)silent.LocalEndPoint!).Port;
        Assert.False(await TlsProbe.SpeaksTlsAsync("127.0.0.1", port, CancellationToken.None));

        silent.Listen();
        using var end = new CancellationTokenSource();
        var asked = TlsProbe.SpeaksTlsAsync("127.0.0.1", port, end.Token);
        using var peer = await silent.AcceptAsync();
        await end.CancelAsync();
        Assert.False(await asked);
    }

    private static Task<bool> Probe(string address) =>
        TlsProbe.SpeaksTlsAsync("127.0.0.1", int.Parse(address.Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture), CancellationToken.None);

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        return socket;
    }

    private static IChannelListener Listen(NodeCertificates certificates) =>
        new SocketTransport().Listen("tcp://127.0.0.1:0", _ => new RecordingHandler(), new ChannelOptions { Certificates = certificates, Rejected = static _ => { } });
}
