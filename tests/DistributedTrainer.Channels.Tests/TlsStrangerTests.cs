using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using DistributedTrainer.Channels.Sockets;
using DistributedTrainer.Channels.Tests.Support;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Channels.Tests;

/// <summary>Who is turned away at an encrypted port, with which words, and that a friend gets in afterwards.</summary>
public sealed class TlsStrangerTests : IDisposable
{
    private readonly TestAuthority _authority = new("ours");
    private readonly TestAuthority _other = new("theirs");
    private readonly NodeCertificates _node;
    private readonly ConcurrentQueue<string> _rejections = [];

    public TlsStrangerTests() => _node = _authority.Node();

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData("expired", "has expired: it was valid until")]
    [InlineData("early", "is not valid before")]
    [InlineData("theirs", "(issued by CN=theirs) is not from this cluster's authority (CN=ours)")]
    [InlineData("none", "it shows no certificate")]
    [InlineData("plain", "it speaks no TLS")]
    [InlineData("web", "it speaks no TLS")]
    [InlineData("silent", "the handshake was not finished in time")]
    [InlineData("half", "the handshake was not finished in time")]
    [InlineData("gone", "the peer closed the connection before the handshake")]
    [InlineData("mute", "hello: not received in time")]
    [InlineData("token", "another run token")]
    [InlineData("garbage", "wrong magic number")]
    public void A_stranger_is_turned_away_with_one_line_and_a_friend_gets_in(string who, string why)
    {
        // Time enough for a handshake on a busy machine; where none is begun there is less, which a friend too could miss.
        var seconds = who is "silent" or "half" ? 0.2 : who == "mute" ? 5 : 60;
        using var listener = Listen(new ChannelOptions { HelloTimeout = TimeSpan.FromSeconds(seconds) });
        using (var socket = Dial(listener.Address))
        {
            switch (who)
            {
                case "silent":
                    break;
                case "half":
                    socket.Send([0x16, 3, 1, 2, 0, 1]);
                    break;
                case "gone":
                    socket.Shutdown(SocketShutdown.Send);
                    break;
                case "web":
                    socket.Send("GET / HTTP/1.1\r\n\r\n"u8);
                    break;
                case "plain":
                    socket.Send(Hello(0));
                    break;
                default:
                    Speak(socket, who);
                    break;
            }

            Patience.Until(() => !_rejections.IsEmpty, "the rejection");
        }

        var line = Assert.Single(_rejections);
        Assert.StartsWith("tcp://127.0.0.1:", line);
        Assert.Contains(why, line);
        Assert.DoesNotContain('\n', line);
        Patience.Until(() => ((SocketListener)listener).Open == 0, "the end of the connection");
        if (seconds >= 5)
        {
            AssertFriend(listener);
        }
    }

    [Fact]
    public void A_node_of_another_authority_is_told_by_its_own_end()
    {
        using var listener = Listen(new ChannelOptions());
        var refusal = Refusal(listener.Address, _other.Node());
        Assert.Contains(listener.Address, refusal);
        Assert.Contains("its certificate (issued by CN=ours) is not from this cluster's authority (CN=theirs)", refusal);
        AssertFriend(listener);
    }

    [Fact]
    public void A_node_that_is_reached_under_a_name_that_its_certificate_lacks_is_not_believed()
    {
        using var listener = new SocketTransport().Listen("tcp://127.0.0.1:0", static _ => new RecordingHandler(), new ChannelOptions { Certificates = _authority.Node("elsewhere.example", "10.0.0.9") });
        Assert.Contains("its certificate is not for 127.0.0.1, but for elsewhere.example, 10.0.0.9", Refusal(listener.Address, _node));
    }

    [Fact]
    public void Names_and_addresses_of_both_families_are_found_in_a_certificate()
    {
        using var certificate = _authority.Loose(null, null, "node-1.example", "10.0.0.9", "fd00::9");
        foreach (var name in new[] { "node-1.example", "NODE-1.example", "10.0.0.9", "fd00::9" }) Assert.Null(_node.ProblemOfServer(certificate, null, name));
        foreach (var name in new[] { "node-2.example", "10.0.0.8", "fd00::8", "node" }) Assert.Contains($"not for {name}", _node.ProblemOfServer(certificate, null, name));
    }

    [Fact]
    public void A_certificate_that_its_authority_has_signed_for_every_name_is_for_every_name()
    {
        using var certificate = _authority.Loose(null, null, NodeCertificates.AnyName);
        Assert.Null(_node.ProblemOfServer(certificate, null, "worker-7f3a"));
        Assert.Null(_authority.Node(NodeCertificates.AnyName).ProblemUnder("10.1.2.3"));
        Assert.Contains("node.crt is not for 10.1.2.3, under which other nodes reach this one, but for localhost, 127.0.0.1, ::1", _node.ProblemUnder("10.1.2.3"));
        Assert.Null(_node.ProblemUnder("localhost"));

        // Nor is a pattern of a name that.
        using var pattern = _authority.Loose(null, null, "*.dtrain.internal");
        Assert.NotNull(_node.ProblemOfServer(pattern, null, "worker-7f3a"));
    }

    [Fact]
    public void A_plain_node_is_told_that_the_other_speaks_TLS_only()
    {
        using var listener = Listen(new ChannelOptions());
        Assert.Contains("this node speaks TLS only. Start yours with --tls", Refusal(listener.Address, certificates: null));
        AssertFriend(listener);
    }

    [Fact]
    public void At_a_plain_node_a_peer_that_speaks_TLS_is_named_on_both_sides()
    {
        using var listener = new SocketTransport().Listen("tcp://127.0.0.1:0", static _ => new RecordingHandler(), new ChannelOptions { Rejected = _rejections.Enqueue });
        Assert.Contains("the peer closed the connection within the handshake: it speaks no TLS, or", Refusal(listener.Address, _node));
        Patience.Until(() => !_rejections.IsEmpty, "the rejection");
        Assert.Contains("hello: the peer speaks TLS, and this node does not", Assert.Single(_rejections));
    }

    [Fact]
    public void A_listener_that_stalls_in_the_handshake_is_given_up()
    {
        using var mute = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        mute.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        mute.Listen(1);
        var address = $"tcp://{mute.LocalEndPoint}";
        var failure = Assert.Throws<ChannelClosedException>(
            () => new SocketTransport().Connect(address, new RecordingHandler(), new ChannelOptions { Certificates = _node, HelloTimeout = TimeSpan.FromMilliseconds(150) }));
        Assert.Contains("the handshake was not finished in time", failure.Message);
    }

    [Fact]
    public void A_certificate_for_servers_only_lets_nobody_in()
    {
        using var key = new TestCertificate(_authority.Folder(null, null, [1]));
        Assert.Contains("is not meant for clients", _node.ProblemOfClient(key.Certificate, null));
        Assert.Null(_node.ProblemOfServer(key.Certificate, null, "localhost"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_frame_that_is_cut_off_within_is_noticed(bool abruptly)
    {
        using var reserved = new ManualResetEventSlim();
        var server = new RecordingHandler { OnReserve = (_, _) => reserved.Set() };
        using var listener = Listen(new ChannelOptions(), server);
        using (var socket = Dial(listener.Address))
        {
            using var tls = Greeted(socket);
            tls.Write([.. Frame(Bytes.Header(), 100), .. new byte[50]]);
            reserved.Await("Reserve");
            if (abruptly) socket.LingerState = new LingerOption(true, 0);
        }

        var reason = server.AwaitClosed();
        Assert.True(reason.Contains("in the middle of a frame") || reason.Contains("connection lost"), reason);
        Assert.Equal(1, server.Abandonments);
        Assert.Empty(server.Frames);
    }

    [Fact]
    public void A_peer_that_says_goodbye_is_closed_and_one_that_changes_a_record_too()
    {
        foreach (var changes in new[] { false, true })
        {
            var server = new RecordingHandler();
            using var listener = Listen(new ChannelOptions(), server);
            using var socket = Dial(listener.Address);
            using var tls = Greeted(socket);
            tls.Write(Frame(Bytes.Header(1), 0));
            server.AwaitFrames(1);

            // A record of application data that no key of theirs has made.
            if (changes) socket.Send([0x17, 3, 3, 0, 32, .. new byte[32]]);
            else SayGoodbye(tls);
            var reason = server.AwaitClosed();
            Assert.Contains(changes ? "connection lost" : "the peer closed the connection", reason);
            Assert.Single(server.Frames);
        }
    }

    private IChannelListener Listen(ChannelOptions options, RecordingHandler? handler = null) =>
        new SocketTransport().Listen("tcp://127.0.0.1:0", _ => handler ?? new RecordingHandler(), options with { Certificates = _node, Rejected = _rejections.Enqueue });

    private void AssertFriend(IChannelListener listener)
    {
        using var friend = new SocketTransport().Connect(listener.Address, new RecordingHandler(), new ChannelOptions { Certificates = _node });
        friend.Send(Bytes.Header(), [1]);
        Assert.True(friend.IsOpen);
    }

    private static string Refusal(string address, NodeCertificates? certificates) =>
        Assert.Throws<ChannelClosedException>(() => new SocketTransport().Connect(address, new RecordingHandler(), new ChannelOptions { Certificates = certificates })).Message;

    /// <summary>A stranger that speaks TLS, and believes everybody.</summary>
    private void Speak(Socket socket, string who)
    {
        using var own = who switch
        {
            "expired" => _authority.Loose(TimeSpan.FromDays(-2), TimeSpan.FromDays(-1)),
            "early" => _authority.Loose(TimeSpan.FromDays(1), TimeSpan.FromDays(2)),
            "theirs" => _other.Loose(),
            "none" => null,
            _ => _authority.Loose(),
        };
        var tls = Encrypt(socket, own);
        try
        {
            if (who == "token") tls.Write(Hello(99));
            if (who == "garbage") tls.Write(new byte[FrameFormat.HeaderBytes]);
            tls.ReadByte();
        }
        catch (IOException)
        {
            // Turned away.
        }
    }

    private static void SayGoodbye(SslStream tls) => tls.ShutdownAsync().GetAwaiter().GetResult();

    private SslStream Greeted(Socket socket)
    {
        using var own = _authority.Loose();
        var tls = Encrypt(socket, own);
        tls.Write(Hello(0));
        var answer = new byte[FrameFormat.HeaderBytes];
        tls.ReadExactly(answer);
        Assert.Equal(Hello(0), answer);
        return tls;
    }

    private static SslStream Encrypt(Socket socket, X509Certificate2? own)
    {
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        tls.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = own is null ? null : [own],
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
        });
        return tls;
    }

    private static Socket Dial(string address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPEndPoint.Parse(address["tcp://".Length..]));
        return socket;
    }

    private static byte[] Hello(ulong token) => Frame(new FrameHeader { Kind = FrameKind.Hello, Run = token }, 0);

    private static byte[] Frame(FrameHeader header, int payloadBytes)
    {
        var bytes = new byte[FrameFormat.HeaderBytes];
        FrameFormat.Write(header with { PayloadBytes = payloadBytes }, bytes);
        return bytes;
    }

    private sealed class TestCertificate(string folder) : IDisposable
    {
        public X509Certificate2 Certificate { get; } = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(folder, NodeCertificates.CertificateFile)));

        public void Dispose() => Certificate.Dispose();
    }
}
