using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote.Transport;
using DistributedTrainer.Channels;
using DistributedTrainer.Channels.Tls;

namespace DistributedTrainer.Cluster.Hosting.Tls;

/// <summary>
/// The control plane over TLS, in place of Akka.NET's own transport, whose settings it takes (akka.remote.dot-netty.tcp). That
/// one ends the whole node where a connection that it opens fails in the handshake: any stranger at the address of a member
/// that has died would end the coordinator, and the run with it. Here such a peer is not reached, and that is all.
/// </summary>
/// <remarks>A frame is its length (4 bytes, little endian) and the message. Addresses are akka.ssl.tcp://.</remarks>
internal sealed class TlsTransport : Akka.Remote.Transport.Transport
{
    /// <summary>The name under which Akka.NET makes one.</summary>
    public static readonly string TypeName = $"{typeof(TlsTransport).FullName}, {typeof(TlsTransport).Assembly.GetName().Name}";

    // Connections in their handshake. More than a cluster ever opens at once, and few enough for a port scan.
    private const int MaximumPending = 256;

    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    // What was sent goes out within these, when a connection ends in good order.
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(2);

    private readonly NodeCertificates _certificates;
    private readonly QuietLog _refusals;
    private readonly TimeSpan _limit;
    private readonly TaskCompletionSource<IAssociationEventListener> _listener = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<TlsAssociation, bool> _open = [];
    private readonly CancellationTokenSource _end = new();
    private Socket? _door;
    private Address? _own;
    private int _pending;

    /// <summary>As Akka.NET calls it.</summary>
    public TlsTransport(ActorSystem system, Config config)
    {
        (System, Config, SchemeIdentifier) = (system, config, "ssl.tcp");
        MaximumPayloadBytes = config.GetByteSize("maximum-frame-size", null) ?? 128_000;
        _limit = config.GetTimeSpan("connection-timeout", TimeSpan.FromSeconds(15));
        var setup = system.Settings.Setup.Get<TlsSetup>().Value;
        _certificates = setup.Certificates;
        _refusals = new QuietLog(text => setup.Log(text), QuietPeriod, TimeProvider.System);
    }

    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        var (host, publicHost) = (Config.GetString("hostname"), Config.GetString("public-hostname"));
        var address = IPAddress.TryParse(host, out var literal) ? literal : Dns.GetHostAddresses(host).OrderBy(static found => found.AddressFamily).First();
        _door = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // No option to share the port is set: two nodes at one would each hear half of what is said.
            _door.Bind(new IPEndPoint(address, Config.GetInt("port")));
            _door.Listen(512);
        }
        catch
        {
            _door.Dispose();
            throw;
        }

        _own = new Address(SchemeIdentifier, System.Name, string.IsNullOrEmpty(publicHost) ? host : publicHost, ((IPEndPoint)_door.LocalEndPoint!).Port);
        _ = AcceptAsync(_door);
        return Task.FromResult((_own, _listener));
    }

    public override bool IsResponsibleFor(Address remote) => true;

    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        limit.CancelAfter(_limit);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(remoteAddress.Host, remoteAddress.Port!.Value, limit.Token);
            socket.NoDelay = true;
            var stream = await TlsDoor.ConnectAsync(socket, remoteAddress.Host, _certificates, limit.Token);
            return Open(remoteAddress, socket, stream, isOutbound: true);
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException or ChannelClosedException)
        {
            socket.Dispose();
            var why = failure is OperationCanceledException ? $"no answer within {_limit.TotalSeconds:0.#} s" : failure.Message;
            if (failure is ChannelClosedException && !_end.IsCancellationRequested) Refuse(remoteAddress, why);
            throw new InvalidAssociationException($"{why} ({remoteAddress})");
        }
    }

    public override async Task<bool> Shutdown()
    {
        await _end.CancelAsync();
        _door?.Dispose();
        foreach (var handle in _open.Keys) handle.Close();
        await Task.WhenAny(Task.WhenAll(_open.Keys.Select(static handle => handle.Completion)), Task.Delay(FlushLimit));
        foreach (var handle in _open.Keys) handle.Abort();
        _refusals.Close();
        return true;
    }

    /// <summary>Tells of a peer that is not let in, or not believed.</summary>
    internal void Refuse(Address peer, string why) => _refusals.Add(peer.Host, $"{why} (control plane, {peer.Host}:{peer.Port})");

    /// <summary>A connection that has ended.</summary>
    internal void Forget(TlsAssociation handle) => _open.TryRemove(handle, out _);

    private TlsAssociation Open(Address remote, Socket socket, Stream stream, bool isOutbound)
    {
        var handle = new TlsAssociation(this, _own!, remote, socket, stream, isOutbound, FlushLimit);
        _open[handle] = true;
        handle.Start();
        if (_end.IsCancellationRequested) handle.Abort();
        return handle;
    }

    private async Task AcceptAsync(Socket door)
    {
        var listener = await _listener.Task;
        while (!_end.IsCancellationRequested)
        {
            try
            {
                _ = ServeAsync(await door.AcceptAsync(_end.Token), listener);
            }
            catch (Exception failure) when (failure is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                if (_end.IsCancellationRequested) return;
                _refusals.Add("accept", $"tls: a connection could not be accepted: {failure.Message} (control plane)");

                // Out of file descriptors: not a reason to end, but to wait a little.
                await Task.Delay(100);
            }
        }
    }

    private async Task ServeAsync(Socket socket, IAssociationEventListener listener)
    {
        Address? peer = null;
        try
        {
            var end = (IPEndPoint)socket.RemoteEndPoint!;
            peer = new Address(SchemeIdentifier, System.Name, end.Address.ToString(), end.Port);
            if (Interlocked.Increment(ref _pending) > MaximumPending) throw new ChannelClosedException($"tls: {MaximumPending} connections are in their handshake already");
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
            limit.CancelAfter(_limit);
            socket.NoDelay = true;
            if (await TlsDoor.AcceptAsync(socket, _certificates, limit.Token) is { } stream)
            {
                listener.Notify(new InboundAssociation(Open(peer, socket, stream, isOutbound: false)));
                return;
            }
        }
        catch (Exception failure) when (failure is ChannelClosedException or SocketException or ObjectDisposedException)
        {
            if (peer is not null && failure is ChannelClosedException && !_end.IsCancellationRequested) Refuse(peer, failure.Message);
        }
        finally
        {
            if (peer is not null) Interlocked.Decrement(ref _pending);
        }

        socket.Dispose();
    }
}
