namespace DistributedTrainer.Engine.Compression;

/// <summary>
/// How a gradient is made smaller before it travels. A leaf's gradient is rounded to what the codec can write, and so is
/// each sum of two nodes of the tree: what is written is read again bit by bit, and as rounding looks at blocks of the flat
/// vector alone, neither who computes which leaves, nor where partitions begin, nor whether anything travels at all
/// changes a bit.
/// </summary>
public abstract class GradientCodec
{
    /// <summary>Ranges that are rounded, written or read begin at multiples of so many elements.</summary>
    public const int BlockLength = 4096;

    /// <summary>Whether what rounding takes from a leaf is added to the next one of the same shard.</summary>
    public virtual bool HasResidual => false;

    /// <summary>The most bytes that so many elements take.</summary>
    public abstract int MostBytes(int length);

    /// <summary>Bytes of a sum of so many leaves: exactly, or where it depends on the leaves, at most.</summary>
    public virtual int BytesOfSum(int length, int leaves) => MostBytes(length);

    /// <summary>Whether so many bytes may be so many elements.</summary>
    public virtual bool Fits(int bytes, int length) => bytes == MostBytes(length);

    /// <summary>Rounds a leaf's gradient in place.</summary>
    /// <param name="gradient">The gradient; what it has lost is added to nothing.</param>
    public virtual void RoundLeaf(Span<float> gradient) => RoundSum(gradient);

    /// <summary>Rounds a leaf's gradient in place, with error feedback.</summary>
    /// <param name="gradient">The gradient; becomes what is sent of gradient + before.</param>
    /// <param name="before">What was not sent of the shard's gradients so far.</param>
    /// <param name="after">Becomes what is not sent of them now.</param>
    public virtual void RoundLeaf(Span<float> gradient, ReadOnlySpan<float> before, Span<float> after) =>
        throw new NotSupportedException($"{GetType().Name}: it has no error feedback.");

    /// <summary>Rounds the sum of two rounded nodes in place.</summary>
    /// <param name="sum">The sum.</param>
    public abstract void RoundSum(Span<float> sum);

    /// <summary>Writes rounded numbers. Returns how many bytes.</summary>
    /// <param name="values">Rounded numbers.</param>
    /// <param name="into">At least <see cref="MostBytes"/>.</param>
    public abstract int Write(ReadOnlySpan<float> values, Span<byte> into);

    /// <summary>Reads what was written; false: the bytes are damaged.</summary>
    /// <param name="bytes">All bytes of a range.</param>
    /// <param name="values">Receives it.</param>
    public abstract bool TryRead(ReadOnlySpan<byte> bytes, Span<float> values);
}
