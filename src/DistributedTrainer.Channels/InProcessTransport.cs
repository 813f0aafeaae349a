using System.Collections.Concurrent;
using DistributedTrainer.Channels.InProcess;
using DistributedTrainer.Channels.Sockets;

namespace DistributedTrainer.Channels;

/// <summary>
/// Channels within the process: "in-process://name"; without a name Listen makes one up. The names are shared by all
/// instances. A posted payload is copied once, straight to where the receiver wants it.
/// </summary>
public sealed class InProcessTransport : ITransport
{
    private const string Scheme = "in-process://";
    private static readonly ConcurrentDictionary<string, Listener> Names = new(StringComparer.Ordinal);
    private static long _number;

    /// <inheritdoc/>
    public IChannelListener Listen(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options)
    {
        options.Validated();
        Check(address);
        if (address == Scheme) address = $"{Scheme}listener-{Interlocked.Increment(ref _number)}";
        var listener = new Listener(address, accept, options);
        return Names.TryAdd(address, listener) ? listener : throw new IOException($"listen: {address} is taken already");
    }

    /// <inheritdoc/>
    public IChannel Connect(string address, IFrameHandler handler, ChannelOptions options)
    {
        options.Validated();
        Check(address);
        if (!Names.TryGetValue(address, out var listener)) throw new ChannelClosedException($"connect: nobody listens at {address}");

        var client = $"{address}#{Interlocked.Increment(ref _number)}";
        if (!Hello.IsSame(options.RunToken, listener.Options.RunToken))
        {
            listener.Options.Reject($"{client}: {Hello.WrongToken}");
            throw new ChannelClosedException($"connect: {address} refused: {Hello.WrongToken}");
        }

        return InProcessChannel.Open(address, client, handler, options, listener.Accept, listener.Options);
    }

    private static void Check(string address)
    {
        if (!address.StartsWith(Scheme, StringComparison.Ordinal)) throw new ArgumentException($"address: '{address}' does not begin with {Scheme}", nameof(address));
    }

    private sealed class Listener(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options) : IChannelListener
    {
        public string Address => address;

        public Func<IChannel, IFrameHandler> Accept => accept;

        public ChannelOptions Options => options;

        public void Dispose() => Names.TryRemove(new KeyValuePair<string, Listener>(address, this));
    }
}
