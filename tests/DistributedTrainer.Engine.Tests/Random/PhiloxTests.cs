using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Random;

/// <summary>The known answers of Random123 (kat_vectors, philox4x32 with 10 rounds).</summary>
public sealed class PhiloxTests
{
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Known_answers_come_out(uint c0, uint c1, uint c2, uint c3, uint key0, uint key1, uint r0, uint r1, uint r2, uint r3) =>
        Assert.Equal(new PhiloxBlock(r0, r1, r2, r3), Philox4x32.Generate(new PhiloxBlock(c0, c1, c2, c3), key0, key1));

    [Fact]
    public void A_block_is_indexed_by_its_words()
    {
        var block = new PhiloxBlock(10, 11, 12, 13);
        Assert.Equal([10u, 11u, 12u, 13u, 10u], Enumerable.Range(0, 5).Select(word => block[word]));
    }
}
