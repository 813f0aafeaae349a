using System.Net.Sockets;
using DistributedTrainer.Channels.Sockets;

namespace DistributedTrainer.Channels.Shared;

/// <summary>After the hellos: the connecting end hands over the segment, the other says whether it could map it.</summary>
internal static class SharedHandshake
{
    /// <summary>The connecting end: true when both ends have the segment, whose descriptor is no longer needed.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public static bool Offer(Socket socket, Segment segment, ChannelOptions options)
    {
        new Wire(WireKind.Segment, 0, Segment.Bytes).Send(socket, segment.Descriptor);
        var problem = Wire.Receive(socket, new Deadline(options.HelloTimeout), out var answer, out _);
        if (problem is not null) throw new IOException(problem);
        if (answer.Kind != WireKind.Mapped) throw new IOException($"shared memory: the answer is {answer.Kind}");
        segment.CloseDescriptor();
        return answer.Number == 1;
    }

    /// <summary>The listener's end.</summary>
    /// <param name="socket">A connection whose hellos were exchanged.</param>
    /// <param name="options">Its options.</param>
    /// <param name="segment">What was mapped; null: the plain socket is used.</param>
    /// <param name="unmapped">Why it was not.</param>
    /// <returns>Null, or why the connection must not be accepted.</returns>
    public static string? Accept(Socket socket, ChannelOptions options, out Segment? segment, out string? unmapped)
    {
        segment = null;
        unmapped = null;
        if (Wire.Receive(socket, new Deadline(options.HelloTimeout), out var offer, out var descriptor) is { } problem) return problem;
        if (offer.Kind != WireKind.Segment)
        {
            if (descriptor >= 0) Libc.Close(descriptor);
            return $"shared memory: the first message is {offer.Kind}";
        }

        try { segment = Segment.Adopt(descriptor, offer.Length); }
        catch (IOException e) { unmapped = e.Message; }
        try
        {
            new Wire(WireKind.Mapped, segment is null ? 0 : 1, 0).Send(socket);
            return null;
        }
        catch (IOException e)
        {
            segment?.Dispose();
            segment = null;
            return e.Message;
        }
    }
}
