namespace DistributedTrainer.Channels;

/// <summary>A way to open channels.</summary>
public interface ITransport
{
    /// <summary>
    /// Listens at <paramref name="address"/>. <paramref name="accept"/> is called on the new channel's reader thread after
    /// its hello was checked, and gives the handler; the channel may be used to send from within it.
    /// </summary>
    /// <exception cref="ArgumentException">The address is malformed or of another transport.</exception>
    /// <exception cref="IOException">The address is taken or can't be bound.</exception>
    IChannelListener Listen(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options);

    /// <summary>Opens a channel and waits for the peer's hello.</summary>
    /// <exception cref="ArgumentException">The address is malformed or of another transport.</exception>
    /// <exception cref="ChannelClosedException">Nobody answers, or the peer refuses; with the reason.</exception>
    IChannel Connect(string address, IFrameHandler handler, ChannelOptions options);
}

/// <summary>Accepts channels until it is disposed. The channels that it accepted stay open.</summary>
public interface IChannelListener : IDisposable
{
    /// <summary>Where to connect, with the port chosen by the system: "tcp://host:port", "unix:///path",
    /// "shared-memory:///path", "in-process://name".</summary>
    string Address { get; }
}
