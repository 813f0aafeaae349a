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
    public async Task An_encrypted_port_is_told_from_one_that_is_not()
    {
        using var encrypted = Listen(_authority.Node());
        using var plain = Listen(null);
        Assert.True(await Probe(encrypted.Address));
        Assert.False(await Probe(plain.Address));
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

    private static IChannelListener Listen(NodeCertificates? certificates) =>
        new SocketTransport().Listen("tcp://127.0.0.1:0", _ => new RecordingHandler(), new ChannelOptions { Certificates = certificates, Rejected = static _ => { } });
}
