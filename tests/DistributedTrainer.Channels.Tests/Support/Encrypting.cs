namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>TCP whose both ends have these certificates.</summary>
internal sealed class Encrypting(NodeCertificates certificates) : ITransport
{
    private readonly SocketTransport _sockets = new();

    public IChannelListener Listen(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options) =>
        _sockets.Listen(address, accept, options with { Certificates = certificates });

    public IChannel Connect(string address, IFrameHandler handler, ChannelOptions options) =>
        _sockets.Connect(address, handler, options with { Certificates = certificates });
}
