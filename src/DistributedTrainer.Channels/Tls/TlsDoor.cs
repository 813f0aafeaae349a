using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using DistributedTrainer.Channels.Sockets;

namespace DistributedTrainer.Channels.Tls;

/// <summary>The first words over an encrypted connection, from both sides: what is wrong with a peer is told in one line.</summary>
public static class TlsDoor
{
    /// <summary>The peer did not finish in time.</summary>
    internal const string NotInTime = "tls: the handshake was not finished in time";

    /// <summary>The peer speaks plain.</summary>
    internal const string SpeaksPlain = "tls: it speaks no TLS, and this node speaks nothing else. Start it with --tls, with a certificate of this cluster's authority";

    private const string ClosedByPeer = "the peer closed the connection within the handshake: it speaks no TLS, or does not accept this node's certificate; its log says which";

    private const string ClosedByClient = "the peer closed the connection within the handshake: it may not accept this node's certificate; its log says why";

    // A record of the handshake: the first byte of every TLS connection.
    private const byte HandshakeRecord = 0x16;

    /// <summary>Whether these are the first bytes of a peer that speaks TLS.</summary>
    internal static bool IsTls(ReadOnlySpan<byte> bytes) => bytes is [HandshakeRecord, 3, ..];

    /// <summary>The listener's side. Null with the reason: the peer must not be let in.</summary>
    internal static SocketLine? Accept(Socket socket, NodeCertificates certificates, TimeLimit limit, out string? problem)
    {
        SslStream? tls = null;
        string? verdict = null;
        try
        {
            problem = ProblemOfFirstByte(socket, limit);
            if (problem is not null) return null;
            tls = Over(socket);
            tls.AuthenticateAsServer(certificates.Accepting(told => verdict = told));
            if (!limit.IsOver) return new SocketLine(socket, tls);
            problem = NotInTime;
        }
        catch (Exception e) when (IsOfHandshake(e))
        {
            problem = limit.IsOver ? NotInTime : verdict is not null ? $"tls: {verdict}" : ReasonOf(e, ClosedByClient);
        }

        tls?.Dispose();
        return null;
    }

    /// <summary>The connecting side. Null with the reason: this is not the node that was to be reached.</summary>
    internal static SocketLine? Connect(Socket socket, string host, NodeCertificates certificates, TimeLimit limit, out string? problem)
    {
        SslStream? tls = null;
        string? verdict = null;
        try
        {
            tls = Over(socket);
            tls.AuthenticateAsClient(certificates.Connecting(host, told => verdict = told));
            problem = limit.IsOver ? NotInTime : null;
            if (problem is null) return new SocketLine(socket, tls);
        }
        catch (Exception e) when (IsOfHandshake(e))
        {
            problem = limit.IsOver ? NotInTime : verdict is not null ? $"tls: {verdict}" : ReasonOf(e, ClosedByPeer);
        }

        tls?.Dispose();
        return null;
    }

    /// <summary>The listener's side, for who waits without a thread.</summary>
    /// <returns>Null: the peer left without a word, as who only looks whether somebody listens does.</returns>
    /// <exception cref="ChannelClosedException">The peer must not be let in; the message says why.</exception>
    public static async Task<SslStream?> AcceptAsync(Socket socket, NodeCertificates certificates, CancellationToken limit)
    {
        string? verdict = null;
        SslStream? tls = null;
        try
        {
            var first = new byte[1];
            if (await socket.ReceiveAsync(first, SocketFlags.Peek, limit) == 0) return null;
            if (first[0] != HandshakeRecord) throw new ChannelClosedException(SpeaksPlain);
            tls = Over(socket);
            await tls.AuthenticateAsServerAsync(certificates.Accepting(told => verdict = told), limit);
            return tls;
        }
        catch (SocketException) when (tls is null)
        {
            return null;
        }
        catch (Exception e) when (IsOfHandshake(e))
        {
            if (tls is not null) await tls.DisposeAsync();
            throw Refused(e, verdict, ClosedByClient, limit);
        }
    }

    /// <summary>The connecting side, likewise.</summary>
    /// <exception cref="ChannelClosedException">This is not the node that was to be reached; the message says why.</exception>
    public static async Task<SslStream> ConnectAsync(Socket socket, string host, NodeCertificates certificates, CancellationToken limit)
    {
        string? verdict = null;
        var tls = Over(socket);
        try
        {
            await tls.AuthenticateAsClientAsync(certificates.Connecting(host, told => verdict = told), limit);
            return tls;
        }
        catch (Exception e) when (IsOfHandshake(e))
        {
            await tls.DisposeAsync();
            throw Refused(e, verdict, ClosedByPeer, limit);
        }
    }

    private static ChannelClosedException Refused(Exception failure, string? verdict, string closed, CancellationToken limit) =>
        new(limit.IsCancellationRequested ? NotInTime : verdict is not null ? $"tls: {verdict}" : ReasonOf(failure, closed), failure);

    private static bool IsOfHandshake(Exception e) =>
        e is (AuthenticationException or IOException or SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException) and not ChannelClosedException;

    /// <summary>What a failed handshake means.</summary>
    /// <param name="failure">Of the handshake.</param>
    /// <param name="closed">What it means that the peer closed.</param>
    private static string ReasonOf(Exception failure, string closed)
    {
        // What the library says first is that something failed; what it was, it says last.
        var cause = failure;
        while (cause.InnerException is { } inner) cause = inner;
        var isEnd = cause is EndOfStreamException or SocketException || (cause is IOException && cause.Message.Contains("EOF", StringComparison.Ordinal));
        return isEnd ? $"tls: {closed}"
            : cause.Message.Contains("frame size", StringComparison.Ordinal) || cause.Message.Contains("corrupted frame", StringComparison.Ordinal) ? SpeaksPlain
            : $"tls: the handshake failed: {cause.Message.ReplaceLineEndings(" ")}";
    }

    private static SslStream Over(Socket socket) => new(new NetworkStream(socket, ownsSocket: false), leaveInnerStreamOpen: false);

    /// <summary>A peer that speaks no TLS is told so by the library in many ways; the first byte says it in one.</summary>
    private static string? ProblemOfFirstByte(Socket socket, TimeLimit limit)
    {
        Span<byte> first = stackalloc byte[1];
        if (socket.Receive(first, SocketFlags.Peek) == 0) return limit.IsOver ? NotInTime : "tls: the peer closed the connection before the handshake";
        if (first[0] == HandshakeRecord) return null;
        if (first[0] == FrameFormat.FirstByte) Hello.RefusePlain(socket);
        return SpeaksPlain;
    }
}
