using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// From the gradient of a step to the next parameters, in one pass over memory: block by block the last two nodes of the
/// tree are added, regularised, and taken by the optimizer. Blocks run on all cores.
/// </summary>
internal sealed class UpdatePass
{
    // 16 KB a vector: the sum and what the optimizer reads and writes of a block stay in the nearest caches.
    private const int BlockLength = 4096;

    // What one core takes at a time: some 6 µs of Adam's work, far more than the taking costs.
    private const int ShareLength = 16384;

    // Waking another core costs 10 to 50 µs, as much as one core needs for this many parameters.
    private const int LengthForOneCore = 131072;

    [ThreadStatic]
    private static float[]? _sum;

    private readonly TrainingPlan _plan;
    private readonly AlignedBuffer[] _state;
    private readonly PartitionRange _range;
    private readonly PartitionPiece[] _shares;
    private readonly Action<int> _update;
    private readonly Action<int> _squares;
    private double[] _sums = [];
    private OptimizerStep _plain;
    private OptimizerStep _decaying;
    private AlignedBuffer? _from;
    private AlignedBuffer? _to;
    private LeafBuffer? _left;
    private LeafBuffer? _right;

    /// <summary>Whether workers of this host compute meanwhile: then half of the cores are theirs. One core takes most of what memory gives.</summary>
    public bool SharesCores { get; set; }

    public UpdatePass(TrainingPlan plan, PartitionRange range, AlignedBuffer[] state)
    {
        (_plan, _range, _state, _update, _squares) = (plan, range, state, Update, Squares);
        _shares = [.. range.Pieces.SelectMany(static piece => Cut(piece, ShareLength))];
    }

    /// <summary>Computes the next version's parameters. Not for two threads at once.</summary>
    /// <param name="step">The step.</param>
    /// <param name="reductions">How often the learning rate was lowered.</param>
    /// <param name="rows">Rows of the global batch.</param>
    /// <param name="from">The current version.</param>
    /// <param name="left">The tree's left half, or everything.</param>
    /// <param name="right">The tree's right half, or null.</param>
    /// <param name="to">The next version.</param>
    /// <param name="scale">Of the gradient, where its norm is clipped.</param>
    /// <param name="updates">Updates before this one, where they are not the steps; −1: they are.</param>
    public void Run(long step, int reductions, int rows, AlignedBuffer from, LeafBuffer left, LeafBuffer? right, AlignedBuffer to, float scale = 1, long updates = -1)
    {
        (_from, _to, _left, _right) = (from, to, left, right);
        (_plain, _decaying) = (_plan.StepOf(step, reductions, rows, decays: false, scale), _plan.StepOf(step, reductions, rows, decays: true, scale));
        if (updates >= 0)
        {
            (_plain, _decaying) = (_plain with { Step = updates }, _decaying with { Step = updates });
        }

        OnCores(_shares.Length, _update);
        (_from, _to, _left, _right) = (null, null, null, null);
    }

    /// <summary>The gradient's sum of squares, one a block of <see cref="GradientNorm.BlockLength"/>.</summary>
    public void SumSquares(LeafBuffer left, LeafBuffer? right, double[] sums)
    {
        (_left, _right, _sums) = (left, right, sums);
        OnCores(sums.Length, _squares);
        (_left, _right, _sums) = (null, null, []);
    }

    /// <summary>
    /// The gradient's sums of squares, one for each tensor that is described and lies here in whole or in part, in order.
    /// They are made of the same numbers in the same order, however many cores add them.
    /// </summary>
    public double[] SumSquaresOfTensors(LeafBuffer left, LeafBuffer? right)
    {
        var pieces = _range.Pieces.Where(piece => piece.Tensor < _plan.DescribedTensors).ToArray();
        var blocks = pieces.SelectMany(static piece => Cut(piece, GradientNorm.BlockLength)).ToArray();
        var sums = new double[blocks.Length];
        (_left, _right) = (left, right);
        OnCores(blocks.Length, block => GradientNorm.BlockSums(Gradient(blocks[block].Start, blocks[block].Length), sums.AsSpan(block, 1)));
        (_left, _right) = (null, null);
        var (tensors, first) = (new double[pieces.Length], 0);
        for (var i = 0; i < tensors.Length; i++)
        {
            var count = GradientNorm.Blocks(pieces[i].Length);
            tensors[i] = GradientNorm.Combine(sums.AsSpan(first, count));
            first += count;
        }

        return tensors;
    }

    private void OnCores(int count, Action<int> body)
    {
        if (_range.Length >= LengthForOneCore)
        {
            CoreTeam.Shared.Run(count, body, SharesCores);
            return;
        }

        for (var i = 0; i < count; i++)
        {
            body(i);
        }
    }

    private void Squares(int block)
    {
        var start = block * GradientNorm.BlockLength;
        GradientNorm.BlockSums(Gradient(start, Math.Min(GradientNorm.BlockLength, _range.Length - start)), _sums.AsSpan(block, 1));
    }

    private void Update(int share)
    {
        var piece = _shares[share];
        var settings = piece.Decays ? _decaying : _plain;
        for (var start = piece.Start; start < piece.Start + piece.Length; start += BlockLength)
        {
            var length = Math.Min(BlockLength, piece.Start + piece.Length - start);
            _plan.Optimizer.Update(
                settings, _from!.Span.Slice(start, length), Gradient(start, length), State(0, start, length), State(1, start, length), _to!.Span.Slice(start, length));
        }
    }

    private ReadOnlySpan<float> Gradient(int start, int length)
    {
        var left = _left!.Gradient.Slice(start, length);
        if (_right is null)
        {
            return left;
        }

        var sum = (_sum ??= new float[BlockLength]).AsSpan(0, length);
        ElementWise.Add(sum, left, _right.Gradient.Slice(start, length));
        return sum;
    }

    private Span<float> State(int index, int start, int length) => index < _state.Length ? _state[index].Span.Slice(start, length) : [];

    private static IEnumerable<PartitionPiece> Cut(PartitionPiece piece, int most)
    {
        for (var start = 0; start < piece.Length; start += most)
        {
            yield return piece with { Start = piece.Start + start, Length = Math.Min(most, piece.Length - start) };
        }
    }
}
