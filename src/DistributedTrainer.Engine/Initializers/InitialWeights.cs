using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Initializers;

/// <summary>How weights start.</summary>
public enum InitialWeightsKind
{
    /// <summary>Normal, standard deviation √(2 / inputs). Source: He et al. 2015.</summary>
    He,

    /// <summary>Normal, standard deviation √(2 / (inputs + outputs)). Source: Glorot, Bengio 2010.</summary>
    Glorot,

    /// <summary>Normal, standard deviation 1 / √inputs.</summary>
    Xavier,

    /// <summary>Normal, standard deviation given by the scale.</summary>
    Normal,

    /// <summary>Uniform in [−scale, scale).</summary>
    Uniform,

    /// <summary>All zero: every hidden unit then gets the same gradient.</summary>
    Zeros,
}

/// <summary>How weights start, with the scale where the kind has one.</summary>
public sealed record InitialWeights(InitialWeightsKind Kind, double Scale = 0)
{
    /// <summary>Fills one parameter from its own random stream.</summary>
    /// <param name="weights">The parameter.</param>
    /// <param name="inputs">Inputs of one unit.</param>
    /// <param name="outputs">Units.</param>
    /// <param name="stream">The parameter's stream.</param>
    public void Fill(Span<float> weights, int inputs, int outputs, RandomStream stream)
    {
        // Square roots are exactly rounded on every machine, so this is portable to the bit.
        var deviation = Kind switch
        {
            InitialWeightsKind.He => Math.Sqrt(2.0 / inputs),
            InitialWeightsKind.Glorot => Math.Sqrt(2.0 / (inputs + outputs)),
            InitialWeightsKind.Xavier => 1 / Math.Sqrt(inputs),
            InitialWeightsKind.Normal => Scale,
            _ => 0,
        };
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = Kind switch
            {
                InitialWeightsKind.Zeros => 0,
                InitialWeightsKind.Uniform => (float)(((2.0 * stream.Uniform(i)) - 1) * Scale),
                _ => (float)(deviation * stream.Normal(i)),
            };
        }
    }
}

/// <summary>How a parameter starts: a constant, or weights of a layer.</summary>
/// <param name="Constant">The value of every element; null for weights.</param>
/// <param name="Inputs">Inputs of one unit, for weights.</param>
/// <param name="Outputs">Units, for weights.</param>
public readonly record struct InitialValue(float? Constant, int Inputs = 0, int Outputs = 0);
