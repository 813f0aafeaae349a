namespace DistributedTrainer.Cluster.Servers;

/// <summary>A bit for each shard, as it travels: which shards somebody has, or lacks.</summary>
internal static class ShardMask
{
    /// <summary>Its length.</summary>
    public static int Bytes(int shards) => (shards + 7) / 8;

    /// <summary>One with no bit set.</summary>
    public static byte[] Of(int shards) => new byte[Bytes(shards)];

    public static void Set(Span<byte> mask, int shard) => mask[shard / 8] |= (byte)(1 << shard % 8);

    public static bool Has(ReadOnlySpan<byte> mask, int shard) => (mask[shard / 8] & 1 << shard % 8) != 0;
}
