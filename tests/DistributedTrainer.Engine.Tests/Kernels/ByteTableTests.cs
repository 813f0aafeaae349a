using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Bytes that are looked up, against one at a time, bit for bit.</summary>
public sealed class ByteTableTests
{
    // Each number says which it is; some are no numbers.
    private static readonly float[] Table = [.. Enumerable.Range(0, ByteTable.Values).Select(static value => value % 50 == 7 ? float.NaN : value - 1000.25f)];

    [Fact]
    public void All_bytes_are_found_at_every_length_whatever_is_asked_for_meanwhile()
    {
        foreach (var length in Numbers.Lengths)
        {
            // Over all lengths each byte comes to lie in each lane.
            byte[] bytes = [.. Enumerable.Range(0, length).Select(place => (byte)((place * 37) + length))];
            foreach (var ahead in (byte[][])[[], [1], bytes, new byte[1000]])
            {
                var y = new float[length];
                ByteTable.LookUp(y, bytes, Table, ahead);
                AssertBits.Equal(Array.ConvertAll(bytes, static value => Table[value]), y, $"length {length}");
            }
        }
    }

    [Fact]
    public void Each_byte_has_its_own_number()
    {
        byte[] bytes = [.. Enumerable.Range(0, ByteTable.Values).Select(static value => (byte)value)];
        var y = new float[bytes.Length];
        ByteTable.LookUp(y, bytes, Table);
        AssertBits.Equal(Table, y, "all bytes");
    }

    [Fact]
    public void Other_lengths_are_refused()
    {
        Assert.Throws<ArgumentException>(static () => ByteTable.LookUp(new float[3], new byte[4], Table));
        Assert.Contains("255", Assert.Throws<ArgumentException>(static () => ByteTable.LookUp(new float[4], new byte[4], Table[..255])).Message, StringComparison.Ordinal);
    }
}
