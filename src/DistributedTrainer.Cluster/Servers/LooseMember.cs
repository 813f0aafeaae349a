using System.Text;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A worker as a partition knows it in one generation, in modes in which each goes at its own pace.</summary>
internal sealed class LooseMember(int[] shards, string name)
{
    /// <summary>Bytes of the longest name.</summary>
    public const int LongestName = 256;

    /// <summary>Its shards, in order; nobody else has them in this generation.</summary>
    public int[] Shards => shards;

    /// <summary>What the log calls it.</summary>
    public int Id => shards[0];

    public string Name => name;

    /// <summary>Where it is reached; null: nowhere, for now.</summary>
    public IChannel? Channel { get; set; }

    /// <summary>The step that it wants to begin; −1: none.</summary>
    public long Waits { get; set; } = -1;

    /// <summary>What it was sent last. Kept until it asks for more, since it may have been lost: it must get the same again.</summary>
    public ParameterVersion? Sent { get; set; }

    /// <summary>How that was sent.</summary>
    public FrameHeader SentAs { get; set; }

    /// <summary>How a worker says who it is: a bit for each shard, then its name.</summary>
    public static byte[] Introduction(IEnumerable<int> own, int shardCount, string name)
    {
        var text = Encoding.UTF8.GetBytes(name);
        var mask = ShardMask.Bytes(shardCount);
        var bytes = new byte[mask + Math.Min(text.Length, LongestName)];
        foreach (var shard in own)
        {
            ShardMask.Set(bytes, shard);
        }

        text.AsSpan(0, Math.Min(text.Length, LongestName)).CopyTo(bytes.AsSpan(mask));
        return bytes;
    }

    /// <summary>Reads it; null: it has no shard, or says nothing that can be read.</summary>
    public static LooseMember? Read(ReadOnlySpan<byte> introduction, int shardCount)
    {
        var mask = ShardMask.Bytes(shardCount);
        if (introduction.Length < mask)
        {
            return null;
        }

        var own = new List<int>();
        for (var shard = 0; shard < shardCount; shard++)
        {
            if (ShardMask.Has(introduction, shard))
            {
                own.Add(shard);
            }
        }

        return own.Count == 0 ? null : new LooseMember([.. own], Encoding.UTF8.GetString(introduction[mask..]));
    }

    /// <summary>It is a member no longer.</summary>
    public void Leave()
    {
        Sent?.Release();
        (Sent, Channel, Waits) = (null, null, -1);
    }
}

/// <summary>Bits of <see cref="FrameHeader.Flags"/> of parameters, beside <see cref="CheckpointAsk"/>.</summary>
internal static class ParameterFlags
{
    /// <summary>Leaves are to be pushed one by one: some of them are here already.</summary>
    public const byte Apart = 4;

    /// <summary>Behind the parameters, and the running statistics, comes the optimizer's state.</summary>
    public const byte State = 8;

    /// <summary>
    /// The running statistics, and the gradient of the step that led to the version, as the codec writes it; Rows are those of
    /// the step, and Sum is what the gradient is scaled by.
    /// </summary>
    public const byte Update = 16;

    /// <summary>The step that led to the version was left out.</summary>
    public const byte Skipped = 32;

    /// <summary>What the version asks for.</summary>
    public static CheckpointAsk AskIn(byte flags) => (CheckpointAsk)(flags & (Apart - 1));
}
