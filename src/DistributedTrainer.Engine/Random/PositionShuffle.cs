using System.Numerics;

namespace DistributedTrainer.Engine.Random;

/// <summary>
/// An order of 0 … n − 1 whose every place is computed by itself: nothing is held, and any place may be asked for first.
/// A Feistel network over the next power of two, whose rounds take their bits from the stream; what falls beyond n is sent
/// through again. Sources: Luby, Rackoff, "How to construct pseudorandom permutations", 1988; Black, Rogaway, "Ciphers
/// with arbitrary finite domains", 2002.
/// </summary>
public readonly struct PositionShuffle
{
    private const int Rounds = 6;
    private readonly RandomStream _stream;
    private readonly uint _count;
    private readonly int _lowBits;
    private readonly int _highBits;

    /// <summary>The stream's order.</summary>
    /// <param name="stream">Its names say which order.</param>
    /// <param name="count">n, at least 1.</param>
    public PositionShuffle(RandomStream stream, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var bits = Math.Max(2, 32 - BitOperations.LeadingZeroCount((uint)(count - 1)));
        (_stream, _count, _lowBits, _highBits) = (stream, (uint)count, bits / 2, bits - (bits / 2));
    }

    /// <summary>What stands at a place.</summary>
    /// <param name="place">From 0 to n − 1.</param>
    public int At(int place)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)place, _count);
        var value = (uint)place;
        do
        {
            value = Permute(value);
        }
        while (value >= _count);
        return (int)value;
    }

    // A bijection of so many bits: each round adds to one half, bit by bit, what the stream makes of the other.
    private uint Permute(uint value)
    {
        var (low, high) = (value & ((1u << _lowBits) - 1), value >> _lowBits);
        for (var round = 0L; round < Rounds; round += 2)
        {
            low ^= Mixed(round, high) & ((1u << _lowBits) - 1);
            high ^= Mixed(round + 1, low) & ((1u << _highBits) - 1);
        }

        return (high << _lowBits) | low;
    }

    // Elements 4·index have a block each.
    private uint Mixed(long round, uint half) => _stream.Block((round << 32) | half).Word0;
}
