using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>Sums over rows, not means: they add up over leaves.</summary>
/// <param name="Loss">Loss summed over rows, in float64, rows in order.</param>
/// <param name="Correct">Rows whose prediction is the right class; 0 in regression.</param>
/// <param name="Rows">Rows.</param>
public readonly record struct LeafSums(double Loss, long Correct, long Rows);

/// <summary>
/// What one thread computes with: the model's graph, its arena, and a copy of parameters and running statistics, which several
/// workspaces may have in common. A warm step allocates nothing.
/// </summary>
public sealed class Workspace
{
    private readonly Pass _pass = new();
    private readonly Graph _graph;
    private readonly Variable _input;
    private readonly Variable _output;
    private readonly Loss _loss;
    private readonly AlignedBuffer _parameters;
    private readonly AlignedBuffer _buffers;
    private readonly LentParameters _lent;
    private readonly int[] _labels;
    private readonly float[] _targets;
    private readonly float[] _losses;
    private readonly int _maximumRows;
    private int _rows;

    internal Workspace(Model model, Loss loss, int maximumRows, Workspace? parametersOf)
    {
        _loss = loss;
        (_graph, _input, _output) = model.Build(maximumRows);
        _parameters = parametersOf?._parameters ?? new AlignedBuffer(model.Layout.Length);
        _buffers = parametersOf?._buffers ?? new AlignedBuffer(model.Buffers.Length);
        _lent = parametersOf?._lent ?? new LentParameters();
        (_pass.Parameters, _pass.Lent) = (_parameters, _lent);
        _pass.Buffers = _buffers;
        _labels = new int[maximumRows];
        _targets = new float[maximumRows * _output.Columns];
        _losses = new float[maximumRows];
        _maximumRows = maximumRows;
    }

    /// <summary>The flat parameter vector; the caller fills it, as far as nothing is lent.</summary>
    public Span<float> Parameters => _parameters.Span;

    /// <summary>Whether parameters were lent and taken back, so that there are none to compute with.</summary>
    public bool LacksParameters
    {
        get => _lent.IsMissing;
        set => _lent.IsMissing = value;
    }

    /// <summary>A parameter, wherever it lies.</summary>
    public ReadOnlySpan<float> Parameter(ParameterSlot slot) => _pass.Parameter(slot);

    /// <summary>
    /// Has a part of the parameters be read where it lies, instead of from <see cref="Parameters"/>, by this workspace and those
    /// that have its parameters. Not while they compute.
    /// </summary>
    /// <param name="offset">Where it begins in the flat vector.</param>
    /// <param name="values">Its values: in memory that does not move, and that nobody changes or frees until <see cref="TakeBack"/>.</param>
    public void Lend(int offset, ReadOnlySpan<float> values) => _lent.Lend(offset, values);

    /// <summary>What was lent is read no more: it <see cref="LacksParameters"/> until they are lent or filled in anew.</summary>
    public void TakeBack() => _lent.TakeBack();

    /// <summary>The running statistics; the caller fills them.</summary>
    public Span<float> Buffers => _buffers.Span;

    internal Graph Graph => _graph;

    /// <summary>The last run through the graph.</summary>
    internal Pass Pass => _pass;

    /// <summary>The most rows a batch has.</summary>
    internal int MaximumRows => _maximumRows;

    /// <summary>What is minimised.</summary>
    internal Loss Loss => _loss;

    /// <summary>The element-wise activation layers, in order.</summary>
    internal IReadOnlyList<ActivationTap> Activations => _graph.Activations;

    /// <summary>Outputs of the last batch (rows, outputs).</summary>
    public ReadOnlySpan<float> Outputs => _output.Value(_rows);

    /// <summary>Where input rows go (rows, features).</summary>
    public Span<float> Input(int rows)
    {
        _pass.LargestInput = float.NaN;
        return _input.Value(rows);
    }

    /// <summary>Looks at input rows that are complete, while there is time: what is known of them need not be read later.</summary>
    public void LookAtInput(int rows) => _pass.LargestInput = Magnitude.Largest(_input.Value(rows));

    /// <summary>The rows of one leaf of the last batch.</summary>
    internal ReadOnlySpan<float> InputOf(LeafSegment leaf) => ValueOf(_input, leaf);

    /// <summary>The rows of one leaf of the last batch in any value of the graph.</summary>
    internal ReadOnlySpan<float> ValueOf(Variable variable, LeafSegment leaf) =>
        variable.Value(_rows).Slice(leaf.FirstRow * variable.Columns, leaf.Rows * variable.Columns);

    /// <summary>Where class numbers go (rows).</summary>
    public Span<int> Labels(int rows) => _labels.AsSpan(0, rows);

    /// <summary>Where targets of a regression go (rows, outputs).</summary>
    public Span<float> Targets(int rows) => _targets.AsSpan(0, rows * _output.Columns);

    /// <summary>Forward, loss and backward over the leaves in the input.</summary>
    /// <param name="step">The step, which keys dropout.</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <param name="segments">The leaves, whose rows fill the batch without gaps.</param>
    /// <param name="leafGradients">One flat vector a leaf: overwritten by the gradient summed over the leaf's rows.</param>
    /// <param name="sums">One a leaf: overwritten.</param>
    /// <param name="exchange">Statistics of the leaves that are computed elsewhere.</param>
    /// <param name="flow">
    /// Told how far the pass is. The gradients need not be there, and the parameters need not have come, before it was asked for
    /// them. Default: none.
    /// </param>
    /// <exception cref="ArgumentException">The leaves do not fill the batch, or there are fewer gradients or sums than leaves.</exception>
    /// <exception cref="ExchangeAbandonedException">The exchange was broken off; run again.</exception>
    public void Train(
        long step,
        ulong seed,
        ReadOnlySpan<LeafSegment> segments,
        IReadOnlyList<AlignedBuffer> leafGradients,
        Span<LeafSums> sums,
        IBatchStatisticsExchange exchange,
        IParameterFlow? flow = null)
    {
        Check(segments, leafGradients.Count, sums.Length);
        _pass.Flow = flow;
        Forward(step, seed, segments, sums, exchange);
        flow?.Turn();
        _pass.Gradients = leafGradients;
        _graph.Backward(_pass);
    }

    /// <summary>The first half of <see cref="Train"/>: the loss as in training, with batch statistics and dropout, and no gradient.</summary>
    internal void TrainForward(long step, ulong seed, ReadOnlySpan<LeafSegment> segments, Span<LeafSums> sums, IBatchStatisticsExchange exchange)
    {
        Check(segments, segments.Length, sums.Length);
        _pass.Flow = null;
        Forward(step, seed, segments, sums, exchange);
    }

    /// <summary>Forward and loss with running statistics and without dropout, over the first rows of the input.</summary>
    public void Evaluate(int rows, out LeafSums sums)
    {
        Predict(rows);
        ComputeLoss();
        sums = Sum(0, rows);
    }

    /// <summary>Forward alone, with running statistics and without dropout; see <see cref="Outputs"/>.</summary>
    public void Predict(int rows)
    {
        _rows = rows;
        _pass.Training = false;
        _pass.Flow = null;
        _pass.Rows = rows;
        _graph.Forward(_pass);
    }

    private void Forward(long step, ulong seed, ReadOnlySpan<LeafSegment> segments, Span<LeafSums> sums, IBatchStatisticsExchange exchange)
    {
        _rows = segments[^1].FirstRow + segments[^1].Rows;
        _pass.Training = true;
        (_pass.Step, _pass.Seed, _pass.Rows) = (step, seed, _rows);
        _pass.SetSegments(segments);
        _pass.Exchange = exchange;
        _graph.Forward(_pass);
        ComputeLoss();
        for (var i = 0; i < segments.Length; i++)
        {
            sums[i] = Sum(segments[i].FirstRow, segments[i].Rows);
        }
    }

    private void Check(ReadOnlySpan<LeafSegment> segments, int gradients, int sums)
    {
        if (segments.Length == 0)
        {
            throw new ArgumentException("training: there are no leaves. Leave out a step without rows.", nameof(segments));
        }

        if (gradients < segments.Length || sums < segments.Length)
        {
            throw new ArgumentException($"training: {segments.Length} leaves need as many gradients and sums, there are {gradients} gradients and {sums} sums.", nameof(segments));
        }

        var rows = 0L;
        foreach (var leaf in segments)
        {
            if (leaf.Rows < 1)
            {
                throw new ArgumentException($"training: leaf {leaf.Leaf} has {leaf.Rows} rows. Leave out leaves without rows.", nameof(segments));
            }

            if (leaf.FirstRow != rows)
            {
                throw new ArgumentException($"training: leaf {leaf.Leaf} begins at row {leaf.FirstRow}, the leaves before it end at {rows}. They must follow each other without gaps.", nameof(segments));
            }

            rows += leaf.Rows;
        }

        if (rows > _maximumRows)
        {
            throw new ArgumentException($"training: the leaves have {rows} rows, the workspace was made for {_maximumRows} rows at most.", nameof(segments));
        }
    }

    private void ComputeLoss() =>
        _loss.Compute(_output.Value(_rows), Labels(_rows), Targets(_rows), _output.Gradient(_rows), _losses.AsSpan(0, _rows));

    private LeafSums Sum(int firstRow, int rows)
    {
        var (loss, correct) = (0.0, 0L);
        for (var row = firstRow; row < firstRow + rows; row++)
        {
            loss += _losses[row];
            if (_loss.Targets == LossTargets.Classes && _loss.Predict(_output.Value(_rows).Slice(row * _output.Columns, _output.Columns)) == _labels[row])
            {
                correct++;
            }
        }

        return new LeafSums(loss, correct, rows);
    }
}
