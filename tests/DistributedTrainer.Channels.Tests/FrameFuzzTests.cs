using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Channels.Tests;

public sealed class FrameFuzzTests
{
    [Fact]
    public void Damaged_headers_are_read_or_named()
    {
        byte[] Sample(FrameHeader header)
        {
            var bytes = new byte[FrameFormat.HeaderBytes];
            FrameFormat.Write(header, bytes);
            return bytes;
        }

        var kinds = Enum.GetValues<FrameKind>().Select((kind, i) => Sample(new FrameHeader { Kind = kind, Run = 1UL << i, Step = i, Sum = i / 7.0, PayloadBytes = i * 100 }));
        var (read, refused) = Fuzz.Run(
            20_260_303, 5000, [.. kinds], factor: 20, free: 4096,
            static bytes =>
            {
                // The channel reads a header when all of it is there.
                var header = new byte[FrameFormat.HeaderBytes];
                bytes.AsSpan(0, Math.Min(bytes.Length, header.Length)).CopyTo(header);
                if (FrameFormat.Read(header, out var frame) is { } problem)
                {
                    throw new InvalidDataException(problem);
                }

                Assert.True(Enum.IsDefined(frame.Kind) && frame.PayloadBytes >= 0);
            },
            static problem => problem is InvalidDataException);
        Assert.InRange(read, 100, 4900);
        Assert.InRange(refused, 100, 4900);
    }
}
