using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace DistributedTrainer.Channels;

/// <summary>Finds out whether whoever listens at an address speaks TLS, by the answer to the first words of a handshake.</summary>
public static class TlsProbe
{
    /// <summary>Whether a certificate is shown there. Nothing is sent after it.</summary>
    /// <param name="host">Name or address.</param>
    /// <param name="port">Port.</param>
    /// <param name="cancel">Ends it; the answer is then no, as it is where nobody listens.</param>
    public static async Task<bool> SpeaksTlsAsync(string host, int port, CancellationToken cancel)
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
