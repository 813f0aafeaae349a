namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Payloads that show where they come from.</summary>
internal static class Bytes
{
    public static FrameHeader Header(long step = 0, int index = 0, FrameKind kind = FrameKind.Push) => new() { Kind = kind, Step = step, Index = index };

    /// <summary>The same bytes for the same seed.</summary>
    public static byte[] Random(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] Filled(int length, byte value)
    {
        var bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
