using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>One run through the graph: which rows, with which parameters, and where the gradients go. Reused from step to step.</summary>
public sealed class Pass
{
    private LeafSegment[] _segments = [];
    private int _segmentCount;

    /// <summary>Training: batch statistics and dropout; otherwise running statistics and none.</summary>
    public bool Training { get; set; }

    /// <summary>The step, which keys random numbers.</summary>
    public long Step { get; set; }

    /// <summary>The experiment's seed.</summary>
    public ulong Seed { get; set; }

    /// <summary>Rows of all leaves together.</summary>
    public int Rows { get; set; }

    /// <summary>The flat parameter vector, as far as nobody lends parameters.</summary>
    public AlignedBuffer Parameters { get; set; } = new(0);

    /// <summary>Running statistics.</summary>
    public AlignedBuffer Buffers { get; set; } = new(0);

    /// <summary>One flat gradient a segment.</summary>
    public IReadOnlyList<AlignedBuffer> Gradients { get; set; } = [];

    /// <summary>The largest magnitude in the input rows, where somebody had time to look; NaN: it is not known.</summary>
    internal float LargestInput { get; set; } = float.NaN;

    /// <summary>Parameters that lie elsewhere; null: none ever do.</summary>
    internal LentParameters? Lent { get; set; }

    /// <summary>Told how far the pass is; null: the parameters are there, and nobody waits for gradients.</summary>
    internal IParameterFlow? Flow { get; set; }

    /// <summary>Batch-norm statistics of the leaves that are computed elsewhere.</summary>
    public IBatchStatisticsExchange? Exchange { get; set; }

    /// <summary>The leaves in the batch.</summary>
    public ReadOnlySpan<LeafSegment> Segments => _segments.AsSpan(0, _segmentCount);

    /// <summary>A parameter, wherever it lies.</summary>
    public ReadOnlySpan<float> Parameter(ParameterSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        return Lent is { } lent ? lent.Find(slot, Parameters.Span) : slot.In(Parameters);
    }

    /// <summary>Copies the leaves in.</summary>
    public void SetSegments(ReadOnlySpan<LeafSegment> segments)
    {
        if (_segments.Length < segments.Length)
        {
            _segments = new LeafSegment[segments.Length];
        }

        segments.CopyTo(_segments);
        _segmentCount = segments.Length;
    }
}
