using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;

namespace DistributedTrainer.Cluster.Hosting.Tls;

/// <summary>One connection of the control plane.</summary>
internal sealed class TlsAssociation : AssociationHandle
{
    private const int LengthBytes = 4;

    // Messages that may wait; of one more Akka.NET is told that it has to come again. They are a few hundred bytes each.
    private const int MaximumWaiting = 8192;

    // Small messages that wait leave together.
    private const int BatchBytes = 32 * 1024;

    private readonly TlsTransport _transport;
    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly bool _isOutbound;
    private readonly TimeSpan _flushLimit;
    private readonly Channel<ByteString> _waiting = Channel.CreateBounded<ByteString>(new BoundedChannelOptions(MaximumWaiting) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _closing;

    public TlsAssociation(TlsTransport transport, Address own, Address remote, Socket socket, Stream stream, bool isOutbound, TimeSpan flushLimit)
        : base(own, remote) =>
        (_transport, _socket, _stream, _isOutbound, _flushLimit) = (transport, socket, stream, isOutbound, flushLimit);

    /// <summary>Ends with the connection.</summary>
    public Task Completion => _ended.Task;

    /// <summary>Two connections to one peer are two.</summary>
    public override bool Equals(object? obj) => ReferenceEquals(this, obj);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

    public void Start() => _ = RunAsync();

    public override bool Write(ByteString payload) => _waiting.Writer.TryWrite(payload);

    [Obsolete("Akka.NET calls the other one, which calls this.")]
    public override void Disassociate() => Close();

    /// <summary>Ends the connection when all that waits has gone out, or after a while.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref _closing, 1) != 0) return;
        _waiting.Writer.TryComplete();
        _ = AbortLaterAsync();
    }

    /// <summary>Ends it now.</summary>
    public void Abort()
    {
        _waiting.Writer.TryComplete();
        _socket.Dispose();
    }

    private async Task AbortLaterAsync()
    {
        await Task.WhenAny(Completion, Task.Delay(_flushLimit));
        Abort();
    }

    private async Task RunAsync()
    {
        var writing = WriteAllAsync();
        try
        {
            // Nothing is read before somebody listens. What sets the listener is an actor: its thread is not for reading.
            var listener = await ReadHandlerSource.Task.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            await ReadAllAsync(listener);
            listener.Notify(new Disassociated(DisassociateInfo.Unknown));
        }
        finally
        {
            _waiting.Writer.TryComplete();
            await writing;
            _socket.Dispose();
            await _stream.DisposeAsync();
            _transport.Forget(this);
            _ended.TrySetResult();
        }
    }

    private async Task ReadAllAsync(IHandleEventListener listener)
    {
        var (length, hasHeard) = (new byte[LengthBytes], false);
        try
        {
            while (true)
            {
                if (await _stream.ReadAtLeastAsync(length, LengthBytes, throwOnEndOfStream: false) < LengthBytes) break;
                hasHeard = true;
                var bytes = BinaryPrimitives.ReadInt32LittleEndian(length);
                if (bytes <= 0 || bytes > _transport.MaximumPayloadBytes)
                {
                    _transport.Refuse(RemoteAddress, $"tls: a message of {bytes} bytes, and {_transport.MaximumPayloadBytes} are the most. Do all nodes run the same version of dtrain?");
                    break;
                }

                var message = GC.AllocateUninitializedArray<byte>(bytes);
                if (await _stream.ReadAtLeastAsync(message, bytes, throwOnEndOfStream: false) < bytes) break;
                listener.Notify(new InboundPayload(UnsafeByteOperations.UnsafeWrap(message)));
            }
        }
        catch (Exception lost) when (lost is IOException or ObjectDisposedException or SocketException)
        {
            // The peer has died, or the connection was ended here. Whoever listens is told.
        }

        // In TLS 1.3 the connecting side is done before the other has looked at its certificate.
        if (_isOutbound && !hasHeard && Volatile.Read(ref _closing) == 0)
            _transport.Refuse(RemoteAddress, "tls: the peer closed the connection after the handshake: it may not accept this node's certificate; its log says why");
    }

    private async Task WriteAllAsync()
    {
        var batch = new byte[BatchBytes];
        try
        {
            while (await _waiting.Reader.WaitToReadAsync())
            {
                var used = 0;
                while (_waiting.Reader.TryRead(out var message))
                {
                    if (used > 0 && used + LengthBytes + message.Length > batch.Length)
                    {
                        await _stream.WriteAsync(batch.AsMemory(0, used));
                        used = 0;
                    }

                    if (LengthBytes + message.Length > batch.Length) batch = new byte[LengthBytes + message.Length];
                    BinaryPrimitives.WriteInt32LittleEndian(batch.AsSpan(used), message.Length);
                    message.Span.CopyTo(batch.AsSpan(used + LengthBytes));
                    used += LengthBytes + message.Length;
                }

                await _stream.WriteAsync(batch.AsMemory(0, used));
            }

            // All has gone out: the peer reads to the end, and closes its side.
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception lost) when (lost is IOException or ObjectDisposedException or SocketException)
        {
            // The reader hears of it, and tells.
            _waiting.Writer.TryComplete();
            _socket.Dispose();
        }
    }
}
