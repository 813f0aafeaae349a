namespace DistributedTrainer.Engine.Random;

/// <summary>What random numbers are for; streams of different purposes have nothing in common.</summary>
public enum RandomPurpose
{
    /// <summary>Initial weights.</summary>
    InitialWeights = 1,

    /// <summary>The order of a shard's rows in an epoch.</summary>
    Shuffle = 2,

    /// <summary>Dropout masks.</summary>
    Dropout = 3,

    /// <summary>Which rows are for training, validation and test.</summary>
    Split = 4,

    /// <summary>Data augmentation.</summary>
    Augment = 5,

    /// <summary>Which elements of a large parameter are looked at.</summary>
    Sample = 6,

    /// <summary>Which values the trials of a search have.</summary>
    Search = 7,

    /// <summary>Layers of extensions.</summary>
    Extension = 8,
}

/// <summary>
/// Random numbers by position: element e of the stream (seed, purpose, step, shard, layer) is the same wherever and
/// whenever it is asked for. Nothing is shared and nothing is consumed.
/// </summary>
public readonly struct RandomStream
{
    private const double TwoToMinus32 = 1.0 / 4294967296.0;
    private const float TwoToMinus24 = 1.0f / 16777216.0f;
    private readonly PhiloxBlock _identity;

    /// <summary>The stream of these names.</summary>
    /// <param name="seed">The experiment's seed.</param>
    /// <param name="purpose">What the numbers are for.</param>
    /// <param name="step">Step, or epoch, from 0.</param>
    /// <param name="shard">Shard (leaf), from 0.</param>
    /// <param name="layer">Layer or other sub-stream, 0 to 16,777,215.</param>
    /// <exception cref="ArgumentOutOfRangeException">The layer does not fit.</exception>
    public RandomStream(ulong seed, RandomPurpose purpose, long step = 0, int shard = 0, int layer = 0)
    {
        if (layer is < 0 or > 0xFFFFFF)
        {
            throw new ArgumentOutOfRangeException(nameof(layer), $"random stream: layer {layer} is not within 0 to {0xFFFFFF}. Number the sub-streams from 0.");
        }

        // Philox is a bijection of its counter: different names give different 128 bits, so no two streams are the same.
        var names = new PhiloxBlock((uint)step, (uint)(step >> 32), (uint)shard, ((uint)purpose << 24) | (uint)layer);
        _identity = Philox4x32.Generate(names, (uint)seed, (uint)(seed >> 32));
    }

    /// <summary>32 uniform bits.</summary>
    /// <param name="element">Position in the stream, from 0.</param>
    public uint Bits(long element) => Block(element >> 2)[(int)element];

    /// <summary>Uniform in [0, 1), a multiple of 2^-24.</summary>
    /// <param name="element">Position in the stream, from 0.</param>
    public float Uniform(long element) => (Bits(element) >> 8) * TwoToMinus24;

    /// <summary>Uniform in 0, 1, …, bound − 1.</summary>
    /// <param name="element">Position in the stream, from 0.</param>
    /// <param name="bound">At least 1.</param>
    public int Below(long element, int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        return (int)(((ulong)Bits(element) * (uint)bound) >> 32);
    }

    /// <summary>Normal with mean 0 and standard deviation 1; the same bits on every operating system.</summary>
    /// <param name="element">Position in the stream, from 0.</param>
    public double Normal(long element) => NormalQuantile.At((Bits(element) + 0.5) * TwoToMinus32);

    /// <summary>The elements 0, 1, … as 32 uniform bits each.</summary>
    public void Fill(Span<uint> bits)
    {
        var at = 0;
        for (; at + 4 <= bits.Length; at += 4)
        {
            var block = Block(at >> 2);
            bits[at] = block.Word0;
            bits[at + 1] = block.Word1;
            bits[at + 2] = block.Word2;
            bits[at + 3] = block.Word3;
        }

        for (; at < bits.Length; at++)
        {
            bits[at] = Bits(at);
        }
    }

    /// <summary>The words of the elements 4·index … 4·index + 3.</summary>
    internal PhiloxBlock Block(long index) =>
        Philox4x32.Generate(new PhiloxBlock((uint)index, (uint)(index >> 32), _identity.Word2, _identity.Word3), _identity.Word0, _identity.Word1);
}
