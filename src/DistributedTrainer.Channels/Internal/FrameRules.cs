namespace DistributedTrainer.Channels.Internal;

/// <summary>What every transport checks in the same way, and the calls to the handler with their failures named.</summary>
internal static class FrameRules
{
    public const string ClosedHere = "closed by this side";

    public static void CheckOutgoing(in FrameHeader header, int payloadBytes, int maximum)
    {
        if (header.Kind is < FrameKind.Push or > FrameKind.PullResidual)
            throw new ArgumentException($"channel: frames of kind {header.Kind} can't be sent", nameof(header));
        if (payloadBytes > maximum)
            throw new ArgumentException($"channel: payload of {payloadBytes} bytes, MaximumPayloadBytes is {maximum}", nameof(header));
    }

    /// <summary>Null, or why the channel must close.</summary>
    public static string? ProblemOf(in FrameHeader header, int maximum) =>
        header.Kind == FrameKind.Hello ? "frame: a second hello"
        : header.PayloadBytes > maximum ? $"frame: payload of {header.PayloadBytes} bytes, MaximumPayloadBytes is {maximum}"
        : null;

    public static string Overflow(int capacity) =>
        $"overflow: {capacity} posted frames wait already. The peer is too slow, or MaximumPostedFrames too small.";

    /// <summary>False: the frame is refused.</summary>
    public static bool Reserve(IFrameHandler handler, IChannel channel, in FrameHeader header, out Span<byte> span)
    {
        try { span = handler.Reserve(channel, header); }
        catch (Exception e) { throw new HandlerFailedException("Reserve", header.Kind, e); }

        if (span.Length == header.PayloadBytes) return true;
        if (span.IsEmpty) return false;
        throw new ChannelClosedException($"handler: Reserve gave {span.Length} bytes for a payload of {header.PayloadBytes}");
    }

    /// <summary>True: the handler keeps the lease.</summary>
    public static bool Offer(IFrameHandler handler, IChannel channel, in FrameHeader header, IPayloadLease lease)
    {
        try { return handler.Offer(channel, header, lease); }
        catch (Exception e) { throw new HandlerFailedException("Offer", header.Kind, e); }
    }

    public static ChannelClosedException DeclinedAndDisposed(in FrameHeader header) =>
        new($"handler: Offer of a {header.Kind} frame disposed of the lease, but returned false");

    public static void Complete(IFrameHandler handler, IChannel channel, in FrameHeader header)
    {
        try { handler.Complete(channel, header); }
        catch (Exception e) { throw new HandlerFailedException("Complete", header.Kind, e); }
    }

    public static void Abandoned(IFrameHandler handler, IChannel channel, in FrameHeader header)
    {
        try { handler.Abandoned(channel, header); }
        catch { /* The channel closes anyway, for a reason that matters more. */ }
    }

    public static void Closed(IFrameHandler handler, IChannel channel, string reason)
    {
        try { handler.Closed(channel, reason); }
        catch { /* The last call: there is nothing left to close. */ }
    }
}

internal sealed class HandlerFailedException(string call, FrameKind kind, Exception inner)
    : Exception($"handler: {call} of a {kind} frame failed: {inner.Message}", inner);
