using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace DistributedTrainer.Channels;

/// <summary>Finds out whether the node that listens at an address speaks TLS, and leaves no trace at one that does not.</summary>
public static class TlsProbe
{
    // Of the control plane, whose messages begin with their length. An open node takes it without a word and waits for more; an
    // encrypted one hangs up, since it is not how a handshake begins.
    private static readonly byte[] EmptyMessage = new byte[4];

    /// <summary>What whoever speaks plain is told of nodes that do not.</summary>
    /// <param name="where">HOST:PORT of one or several.</param>
    public static string NeedsTls(string where) => $"The cluster at {where} is encrypted: --tls (or DTRAIN_TLS) is needed here too, with a certificate of its authority.";

    /// <summary>Whether a certificate is shown there. Nothing is sent after it.</summary>
    /// <param name="host">Name or address.</param>
    /// <param name="port">Port of the control plane.</param>
    /// <param name="cancel">Ends it; the answer is then no, as it is where nobody listens. An open node never answers.</param>
    public static async Task<bool> SpeaksTlsAsync(string host, int port, CancellationToken cancel) =>
        await HangsUpAsync(host, port, cancel) && await ShowsCertificateAsync(host, port, cancel);

    private static async Task<bool> HangsUpAsync(string host, int port, CancellationToken cancel)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(host, port, cancel);
        }
        catch (Exception refused) when (refused is SocketException or OperationCanceledException)
        {
            return false;
        }

        try
        {
            await socket.SendAsync(EmptyMessage, cancel);
            return await socket.ReceiveAsync(new byte[1], cancel) == 0;
        }
        catch (SocketException)
        {
            // Reset, since what was sent is not read.
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private static async Task<bool> ShowsCertificateAsync(string host, int port, CancellationToken cancel)
    {
        var shown = false;
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(host, port, cancel);
            await using var stream = new SslStream(new NetworkStream(socket));
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = host,

                // Seen, and not believed: nobody is to be talked to.
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    shown = certificate is not null;
                    return false;
                },
            };
            await stream.AuthenticateAsClientAsync(options, cancel);
        }
        catch (Exception refused) when (refused is IOException or SocketException or AuthenticationException or OperationCanceledException)
        {
            // That is one way or the other the end of it.
        }

        return shown;
    }
}
