using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Compression;

/// <summary>
/// Of each block of 4096 elements the share with the largest magnitudes, at least one, of equal ones the first. What is left
/// is added to the shard's next gradient (error feedback), so that everything is sent sooner or later. Sums of leaves are
/// exact: they have the elements of all of them. Sources: Aji, Heafield, "Sparse communication for distributed gradient
/// descent", 2017; Stich, Cordonnier, Jaggi, "Sparsified SGD with memory", 2018; Karimireddy et al., "Error feedback fixes
/// SignSGD", 2019.
/// </summary>
/// <remarks>
/// Of each block: how many elements (2 bytes), the place of each within the block (2 bytes), the values (4 bytes). A block
/// with more than two elements of three is written whole.
/// </remarks>
public sealed class TopKCodec : GradientCodec
{
    private const ushort Whole = ushort.MaxValue;

    private readonly double _share;

    /// <param name="share">Above 0, below 1.</param>
    public TopKCodec(double share)
    {
        if (!(share > 0 && share < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(share), $"top-k: a share of {share} is not possible; it lies between 0 and 1.");
        }

        _share = share;
    }

    /// <inheritdoc/>
    public override bool HasResidual => true;

    /// <summary>Elements that are sent of so many.</summary>
    public int Kept(int length)
    {
        var (blocks, rest) = Math.DivRem(length, BlockLength);
        return (blocks * KeptOf(BlockLength)) + (rest == 0 ? 0 : KeptOf(rest));
    }

    /// <inheritdoc/>
    public override int MostBytes(int length) => (sizeof(ushort) * ((length + BlockLength - 1) / BlockLength)) + (sizeof(float) * length);

    /// <inheritdoc/>
    public override int BytesOfSum(int length, int leaves) =>
        (int)Math.Min(MostBytes(length), (sizeof(ushort) * ((length + BlockLength - 1L) / BlockLength)) + ((sizeof(ushort) + sizeof(float)) * (long)leaves * Kept(length)));

    /// <inheritdoc/>
    public override bool Fits(int bytes, int length) => bytes >= sizeof(ushort) * ((length + BlockLength - 1) / BlockLength) && bytes <= MostBytes(length);

    /// <inheritdoc/>
    public override void RoundLeaf(Span<float> gradient) => RoundLeaf(gradient, default, new float[gradient.Length]);

    /// <inheritdoc/>
    public override void RoundLeaf(Span<float> gradient, ReadOnlySpan<float> before, Span<float> after)
    {
        if (!before.IsEmpty)
        {
            ElementWise.AddTo(gradient, before);
        }

        for (var start = 0; start < gradient.Length; start += BlockLength)
        {
            var length = Math.Min(BlockLength, gradient.Length - start);
            LargestElements.Split(gradient.Slice(start, length), after.Slice(start, length), KeptOf(length));
        }
    }

    /// <inheritdoc/>
    public override void RoundSum(Span<float> sum)
    {
        // Sums are exact.
    }

    /// <inheritdoc/>
    public override int Write(ReadOnlySpan<float> values, Span<byte> into)
    {
        Span<ushort> places = stackalloc ushort[BlockLength];
        Span<float> kept = stackalloc float[BlockLength];
        var at = 0;
        for (var start = 0; start < values.Length; start += BlockLength)
        {
            var block = values.Slice(start, Math.Min(BlockLength, values.Length - start));
            var count = 0;
            for (var i = 0; i < block.Length; i++)
            {
                // Written whatever it is, and kept if it is not 0: without a branch that nobody can foresee.
                (places[count], kept[count]) = ((ushort)i, block[i]);
                count += BitConverter.SingleToInt32Bits(block[i]) != 0 ? 1 : 0;
            }

            var whole = IsWhole(count, block.Length);
            at += Put(MemoryMarshal.AsBytes([whole ? Whole : (ushort)count]), into[at..]);
            if (!whole)
            {
                at += Put(MemoryMarshal.AsBytes(places[..count]), into[at..]);
            }

            at += Put(MemoryMarshal.AsBytes(whole ? block : kept[..count]), into[at..]);
        }

        return at;
    }

    /// <inheritdoc/>
    public override bool TryRead(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        var at = 0;
        for (var start = 0; start < values.Length; start += BlockLength)
        {
            var block = values.Slice(start, Math.Min(BlockLength, values.Length - start));
            if (bytes.Length < at + sizeof(ushort))
            {
                return false;
            }

            int count = MemoryMarshal.Read<ushort>(bytes[at..]);
            at += sizeof(ushort);
            var whole = count == Whole;
            var length = whole ? sizeof(float) * block.Length : (sizeof(ushort) + sizeof(float)) * count;
            if (bytes.Length < at + length || (!whole && IsWhole(count, block.Length)))
            {
                return false;
            }

            if (whole)
            {
                MemoryMarshal.Cast<byte, float>(bytes.Slice(at, length)).CopyTo(block);
            }
            else if (!TryPlace(MemoryMarshal.Cast<byte, ushort>(bytes.Slice(at, sizeof(ushort) * count)), MemoryMarshal.Cast<byte, float>(bytes.Slice(at + (sizeof(ushort) * count), sizeof(float) * count)), block))
            {
                return false;
            }

            at += length;
        }

        return at == bytes.Length;
    }

    private static bool TryPlace(ReadOnlySpan<ushort> places, ReadOnlySpan<float> kept, Span<float> block)
    {
        block.Clear();
        var last = -1;
        for (var i = 0; i < places.Length; i++)
        {
            if (places[i] <= last || places[i] >= block.Length)
            {
                return false;
            }

            block[last = places[i]] = kept[i];
        }

        return true;
    }

    private static bool IsWhole(int count, int length) => 3 * count > 2 * length;

    private int KeptOf(int length) => Math.Max(1, (int)Math.Round(_share * length, MidpointRounding.ToEven));

    private static int Put(ReadOnlySpan<byte> bytes, Span<byte> into)
    {
        bytes.CopyTo(into);
        return bytes.Length;
    }
}
