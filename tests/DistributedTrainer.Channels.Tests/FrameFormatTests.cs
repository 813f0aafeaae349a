using CsCheck;

namespace DistributedTrainer.Channels.Tests;

public class FrameFormatTests
{
    private static readonly FrameHeader Sample = new()
    {
        Kind = FrameKind.Push,
        Flags = 0xA5,
        Run = 0x0102030405060708,
        Generation = 0x1112131415161718,
        Step = -2,
        Partition = 0x21222324,
        Level = 0x31323334,
        Index = 0x41424344,
        Rows = -1,
        Sum = 1.0,
        Count = 0x5152535455565758,
        PayloadBytes = 0x01020304,
    };

    private const string SampleOnTheWire =
        "44544348" + "01" + "02" + "A5" + "00" + "0807060504030201" + "1817161514131211" + "FEFFFFFFFFFFFFFF" +
        "24232221" + "34333231" + "44434241" + "FFFFFFFF" + "000000000000F03F" + "5857565554535251" + "04030201" + "000000000000000000000000";

    private static readonly Gen<FrameHeader> Headers =
        Gen.Select(Gen.Byte[1, 12], Gen.Byte, Gen.ULong, Gen.Long, Gen.Long, Gen.Int.Array[4], Gen.Long.Select(Gen.Long), Gen.Int[0, int.MaxValue])
            .Select((kind, flags, run, generation, step, ints, longs, length) => new FrameHeader
            {
                Kind = (FrameKind)kind,
                Flags = flags,
                Run = run,
                Generation = generation,
                Step = step,
                Partition = ints[0],
                Level = ints[1],
                Index = ints[2],
                Rows = ints[3],
                Sum = BitConverter.Int64BitsToDouble(longs.Item1),
                Count = longs.Item2,
                PayloadBytes = length,
            });

    [Fact]
    public void The_bytes_of_a_header_are_the_ones_on_record()
    {
        var bytes = new byte[FrameFormat.HeaderBytes];
        FrameFormat.Write(Sample, bytes);
        Assert.Equal(SampleOnTheWire, Convert.ToHexString(bytes));
        Assert.Null(FrameFormat.Read(Convert.FromHexString(SampleOnTheWire), out var read));
        Assert.Equal(Sample, read);
    }

    [Fact]
    public void The_numbers_of_the_kinds_are_the_ones_on_record() =>
        Assert.Equal(
            "Hello=1 Push=2 Statistics=3 StatisticsTotal=4 Pull=5 Parameters=6 PullSnapshot=7 Evaluation=8 Verdict=9 Refused=10 Request=11 Reply=12 Snapshot=13 Restore=14 Norm=15 Residual=16 PullResidual=17",
            string.Join(' ', Enum.GetValues<FrameKind>().Select(kind => $"{kind}={(byte)kind}")));

    [Fact]
    public void Any_header_survives_the_way_there_and_back() =>
        Headers.SampleSeeded(
            header =>
            {
                var bytes = Support.Bytes.Filled(FrameFormat.HeaderBytes + 3, 0xCC);
                FrameFormat.Write(header, bytes);
                Assert.Equal([0xCC, 0xCC, 0xCC], bytes[FrameFormat.HeaderBytes..]);
                Assert.Null(FrameFormat.Read(bytes, out var read));
                Assert.Equal(BitConverter.DoubleToInt64Bits(header.Sum), BitConverter.DoubleToInt64Bits(read.Sum));
                Assert.Equal(header with { Sum = 0 }, read with { Sum = 0 });
            },
            seed: "0000KOIPZAL3", iter: 10_000);

    [Theory]
    [InlineData(0, "magic")]
    [InlineData(1, "magic")]
    [InlineData(2, "magic")]
    [InlineData(3, "magic")]
    [InlineData(4, "version 254")]
    [InlineData(5, "kind 253")]
    [InlineData(7, "reserved")]
    [InlineData(67, "negative payload length")]
    [InlineData(68, "reserved")]
    [InlineData(73, "reserved")]
    [InlineData(79, "reserved")]
    public void A_damaged_byte_of_the_frame_of_a_header_is_named(int position, string problem)
    {
        var bytes = Convert.FromHexString(SampleOnTheWire);
        bytes[position] ^= 0xFF;
        Assert.Contains(problem, FrameFormat.Read(bytes, out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(18)]
    [InlineData(255)]
    public void A_kind_that_does_not_exist_is_refused(byte kind)
    {
        var bytes = Convert.FromHexString(SampleOnTheWire);
        bytes[5] = kind;
        Assert.Contains($"kind {kind}", FrameFormat.Read(bytes, out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(79)]
    public void A_span_that_is_too_short_is_misuse(int length)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameFormat.Write(Sample, new byte[length]));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameFormat.Read(new byte[length], out _));
    }

    [Fact]
    public void Random_bytes_are_refused() =>
        Gen.Byte.Array[FrameFormat.HeaderBytes].SampleSeeded(bytes => FrameFormat.Read(bytes, out _) is not null, seed: "0000KOIPZAL3", iter: 10_000);
}
