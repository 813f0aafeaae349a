using System.Buffers.Binary;
using System.Text;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What an entry of an <see cref="OrderLog"/> says.</summary>
internal enum OrderEvent : byte
{
    /// <summary>A generation begins: all members are new.</summary>
    Generation,

    /// <summary>A worker is there, with its shards.</summary>
    Member,

    /// <summary>The parameters as they are now were sent to a member, which computes its next step with them.</summary>
    Sent,

    /// <summary>The same, and its leaves are pushed one by one.</summary>
    SentApart,

    /// <summary>A member's push was applied.</summary>
    Applied,

    /// <summary>A member's push was not finite, and was left out.</summary>
    LeftOut,

    /// <summary>What the evaluations say has changed.</summary>
    Judged,
}

/// <summary>
/// The order in which one partition did what decides its bits, some two bytes an entry: an entry's first byte is its kind
/// (3 bits) and the member (5 bits; 31: a number follows). A member is named by its first shard. Numbers are little endian
/// in groups of 7 bits. It begins with the step that the partition began with, in 8 bytes.
/// </summary>
internal sealed class OrderLog
{
    private const int KindBits = 3;
    private const int LongMember = 31;

    private byte[] _bytes = new byte[4096];
    private int _length = sizeof(long);

    public OrderLog(long start) => BinaryPrimitives.WriteInt64LittleEndian(_bytes, start);

    /// <summary>All of it so far.</summary>
    public byte[] ToArray() => _bytes.AsSpan(0, _length).ToArray();

    public void Generation(long generation)
    {
        Head(OrderEvent.Generation, 0);
        Number(generation);
    }

    /// <param name="shards">In order.</param>
    /// <param name="name">For people.</param>
    public void Member(int[] shards, string name)
    {
        Head(OrderEvent.Member, shards[0]);
        Number(shards.Length - 1);
        for (var i = 1; i < shards.Length; i++)
        {
            Number(shards[i] - shards[i - 1]);
        }

        var text = Encoding.UTF8.GetBytes(name);
        Number(text.Length);
        foreach (var letter in text)
        {
            Add(letter);
        }
    }

    public void Sent(int member, bool apart) => Head(apart ? OrderEvent.SentApart : OrderEvent.Sent, member);

    public void Applied(int member, TreeNode node, bool leftOut)
    {
        Head(leftOut ? OrderEvent.LeftOut : OrderEvent.Applied, member);
        Number(node.Level);
        Number(node.Index);
    }

    public void Judged(Verdict verdict)
    {
        Head(OrderEvent.Judged, 0);
        Number(verdict.Packed);
    }

    private void Head(OrderEvent kind, int member)
    {
        Add((byte)((byte)kind | Math.Min(member, LongMember) << KindBits));
        if (member >= LongMember)
        {
            Number(member);
        }
    }

    private void Number(long value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            Add((byte)(value | 0x80));
        }

        Add((byte)value);
    }

    private void Add(byte value)
    {
        if (_length == _bytes.Length)
        {
            Array.Resize(ref _bytes, 2 * _bytes.Length);
        }

        _bytes[_length++] = value;
    }

    /// <summary>One entry.</summary>
    /// <param name="Kind">What it says.</param>
    /// <param name="Member">Of whom.</param>
    /// <param name="Value">The generation, or the verdict.</param>
    /// <param name="Node">What was pushed.</param>
    /// <param name="Shards">Of a member.</param>
    /// <param name="Name">Of a member.</param>
    public readonly record struct Entry(OrderEvent Kind, int Member, long Value, TreeNode Node, int[] Shards, string Name);

    /// <summary>Reads a log entry by entry.</summary>
    public sealed class Reader(byte[] bytes)
    {
        private int _at = sizeof(long);

        /// <summary>The step that the partition began with.</summary>
        public long Start => bytes.Length < sizeof(long) ? throw Damaged() : BinaryPrimitives.ReadInt64LittleEndian(bytes);

        /// <summary>Whether there is nothing more.</summary>
        public bool IsAtEnd => _at >= bytes.Length;

        /// <exception cref="InvalidDataException">It is no log.</exception>
        public Entry Next()
        {
            var head = Byte();
            var (kind, member) = ((OrderEvent)(head & ((1 << KindBits) - 1)), (int)head >> KindBits);
            member = member == LongMember ? (int)Number() : member;
            switch (kind)
            {
                case OrderEvent.Generation or OrderEvent.Judged:
                    return new Entry(kind, member, Number(), default, [], "");
                case OrderEvent.Member:
                    var shards = new int[checked((int)Math.Min(Number(), bytes.Length)) + 1];
                    shards[0] = member;
                    for (var i = 1; i < shards.Length; i++)
                    {
                        shards[i] = shards[i - 1] + (int)Number();
                    }

                    var text = new byte[checked((int)Math.Min(Number(), bytes.Length))];
                    for (var i = 0; i < text.Length; i++)
                    {
                        text[i] = Byte();
                    }

                    return new Entry(kind, member, 0, default, shards, Encoding.UTF8.GetString(text));
                case OrderEvent.Sent or OrderEvent.SentApart:
                    return new Entry(kind, member, 0, default, [], "");
                case OrderEvent.Applied or OrderEvent.LeftOut:
                    return new Entry(kind, member, 0, new TreeNode((int)Number(), (int)Number()), [], "");
                default:
                    throw Damaged();
            }
        }

        private long Number()
        {
            var (value, shift) = (0L, 0);
            while (true)
            {
                var part = Byte();
                value |= (long)(part & 0x7f) << shift;
                shift += 7;
                if (part < 0x80)
                {
                    return value;
                }
            }
        }

        private byte Byte() => _at < bytes.Length ? bytes[_at++] : throw Damaged();

        private static InvalidDataException Damaged() => new("the order of updates is damaged.");
    }
}
