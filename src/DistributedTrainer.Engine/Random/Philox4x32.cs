namespace DistributedTrainer.Engine.Random;

/// <summary>
/// The counter-based generator Philox4x32 with 10 rounds: a 128-bit counter and a 64-bit key give 128 random bits,
/// with no state in between, so any element of any stream can be computed anywhere.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
/// </summary>
public static class Philox4x32
{
    private const int Rounds = 10;
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;

    /// <summary>The four random words of one counter value under one key.</summary>
    public static PhiloxBlock Generate(PhiloxBlock counter, uint key0, uint key1)
    {
        var (c0, c1, c2, c3) = (counter.Word0, counter.Word1, counter.Word2, counter.Word3);
        for (var round = 0; round < Rounds; round++)
        {
            var product0 = (ulong)Multiplier0 * c0;
            var product1 = (ulong)Multiplier1 * c2;
            c0 = (uint)(product1 >> 32) ^ c1 ^ key0;
            c1 = (uint)product1;
            c2 = (uint)(product0 >> 32) ^ c3 ^ key1;
            c3 = (uint)product0;
            key0 += Weyl0;
            key1 += Weyl1;
        }

        return new PhiloxBlock(c0, c1, c2, c3);
    }
}

/// <summary>128 bits: a counter value, or what the generator makes of one.</summary>
/// <param name="Word0">The lowest 32 bits of a counter.</param>
/// <param name="Word1">The next 32 bits.</param>
/// <param name="Word2">The next 32 bits.</param>
/// <param name="Word3">The highest 32 bits of a counter.</param>
public readonly record struct PhiloxBlock(uint Word0, uint Word1, uint Word2, uint Word3)
{
    /// <summary>Word 0, 1, 2 or 3 (only the two lowest bits of the number count).</summary>
    public uint this[int word] => (word & 3) switch { 0 => Word0, 1 => Word1, 2 => Word2, _ => Word3 };
}
