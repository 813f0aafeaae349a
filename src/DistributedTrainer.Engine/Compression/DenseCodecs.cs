using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Compression;

/// <summary>
/// Two bytes an element, IEEE 754 binary16, rounded to nearest even. A gradient is a sum over rows: elements beyond 65504
/// become that, those below 2^-25 become 0. Source: Micikevicius et al., "Mixed precision training", 2018.
/// </summary>
public sealed class Float16Codec : GradientCodec
{
    /// <inheritdoc/>
    public override int MostBytes(int length) => 2 * length;

    /// <inheritdoc/>
    public override void RoundSum(Span<float> sum) => NarrowKernel.Round<Float16Format>(sum);

    /// <inheritdoc/>
    public override int Write(ReadOnlySpan<float> values, Span<byte> into)
    {
        NarrowKernel.Pack<Float16Format>(values, into[..MostBytes(values.Length)]);
        return MostBytes(values.Length);
    }

    /// <inheritdoc/>
    public override bool TryRead(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        if (bytes.Length != MostBytes(values.Length))
        {
            return false;
        }

        NarrowKernel.Unpack<Float16Format>(bytes, values);
        return true;
    }
}

/// <summary>
/// Two bytes an element, the upper half of float32, rounded to nearest even: 8 bits of precision, and the range of float32.
/// Source: Kalamkar et al., "A study of BFLOAT16 for deep learning training", 2019.
/// </summary>
public sealed class BFloat16Codec : GradientCodec
{
    /// <inheritdoc/>
    public override int MostBytes(int length) => 2 * length;

    /// <inheritdoc/>
    public override void RoundSum(Span<float> sum) => NarrowKernel.Round<BFloat16Format>(sum);

    /// <inheritdoc/>
    public override int Write(ReadOnlySpan<float> values, Span<byte> into)
    {
        NarrowKernel.Pack<BFloat16Format>(values, into[..MostBytes(values.Length)]);
        return MostBytes(values.Length);
    }

    /// <inheritdoc/>
    public override bool TryRead(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        if (bytes.Length != MostBytes(values.Length))
        {
            return false;
        }

        NarrowKernel.Unpack<BFloat16Format>(bytes, values);
        return true;
    }
}

/// <summary>
/// One byte an element and one for the scale of each 128: integers from −127 to 127 times a power of two, rounded to
/// nearest even. Source: Dettmers, "8-bit approximations for parallelism in deep learning", 2016, here with blocks.
/// </summary>
public sealed class Int8Codec : GradientCodec
{
    /// <inheritdoc/>
    public override int MostBytes(int length) => ScaledBytes.Bytes(length);

    /// <inheritdoc/>
    public override void RoundSum(Span<float> sum) => ScaledBytes.Round(sum);

    /// <inheritdoc/>
    public override int Write(ReadOnlySpan<float> values, Span<byte> into)
    {
        ScaledBytes.Pack(values, into);
        return MostBytes(values.Length);
    }

    /// <inheritdoc/>
    public override bool TryRead(ReadOnlySpan<byte> bytes, Span<float> values) => ScaledBytes.TryUnpack(bytes, values);
}
