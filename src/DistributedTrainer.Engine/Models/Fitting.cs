using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Optimizers.Schedules;

namespace DistributedTrainer.Engine.Models;

/// <summary>The epochs of one fit, on a workspace that holds the weights.</summary>
internal sealed class Fitting
{
    private readonly Examples _training;
    private readonly FitOptions _options;
    private readonly Workspace _workspace;
    private readonly LocalTrainer _trainer;
    private readonly EpochOrder _order;
    private readonly int[] _rows;
    private readonly LeafSegment[] _segments;
    private readonly List<EpochReport> _epochs = [];
    private PlateauState _plateau = PlateauState.Start;
    private float[] _bestParameters = [];
    private float[] _bestBuffers = [];
    private int _best = -1;
    private long _step;

    public Fitting(Model model, Workspace workspace, Examples training, FitOptions options, ulong seed)
    {
        (_training, _options, _workspace) = (training, options, workspace);
        var rows = training.RowsFor(model);
        _trainer = new LocalTrainer(model, workspace, options.Optimizer, options.Leaves, seed);
        _order = new EpochOrder(rows, options.BatchSize, options.Leaves, options.Shuffle, seed);
        _rows = new int[Math.Min(rows, options.BatchSize)];
        _segments = new LeafSegment[options.Leaves];
    }

    public FitResult Run()
    {
        var stopped = false;
        for (var epoch = 0; epoch < _options.Epochs && !stopped; epoch++)
        {
            var report = Epoch(epoch);
            _epochs.Add(report);
            stopped = Judge(report) && epoch + 1 < _options.Epochs;
            _options.OnEpoch?.Invoke(report);
        }

        if (_options.EarlyStopping is { RestoreBest: true } && _best >= 0)
        {
            _bestParameters.CopyTo(_workspace.Parameters);
            _bestBuffers.CopyTo(_workspace.Buffers);
        }

        return new FitResult(_epochs, _best < 0 ? null : _best + 1, stopped);
    }

    private EpochReport Epoch(int epoch)
    {
        _order.Begin(epoch);
        var (loss, rows, rate) = (0.0, 0L, 0.0);
        for (var step = 0; step < _order.Steps; step++)
        {
            _options.CancellationToken.ThrowIfCancellationRequested();
            rate = _options.Schedule.Rate(_options.Plateau?.Rate(_options.LearningRate, _plateau.Reductions) ?? _options.LearningRate, _step);
            var (count, leaves) = _order.Take(step, _rows, _segments);
            _training.Gather(_rows.AsSpan(0, count), _workspace);
            var settings = new OptimizerStep(_step, (float)rate, count) { WeightDecay = (float)_options.WeightDecay, L1 = (float)_options.L1, L1Zeros = _options.L1Zeros };
            var sums = _trainer.Step(_segments.AsSpan(0, leaves), settings, _options.ClipNorm, _options.DecayBiases);
            (loss, rows, _step) = (loss + sums.Loss, rows + sums.Rows, _step + 1);
        }

        var validation = _options.Validation is { } examples ? Evaluating.Run(_workspace, examples) : null;
        return new EpochReport(epoch + 1, loss / rows, rate, validation);
    }

    /// <summary>Remembers the best epoch; true where the patience is at an end.</summary>
    private bool Judge(EpochReport report)
    {
        if (report.Validation is not { } validation)
        {
            return false;
        }

        if (_options.Plateau is { } plateau)
        {
            _plateau = plateau.After(_plateau, validation.Loss);
        }

        if (_best < 0 || validation.Loss < _epochs[_best].Validation!.Loss)
        {
            _best = report.Epoch - 1;
            if (_options.EarlyStopping is { RestoreBest: true })
            {
                (_bestParameters, _bestBuffers) = (_workspace.Parameters.ToArray(), _workspace.Buffers.ToArray());
            }
        }

        return _options.EarlyStopping is { } stopping && report.Epoch - 1 - _best >= stopping.Patience;
    }
}
