using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// A worker describes a version's parameters, and each partition measures its part of the gradient of the step that follows:
/// what belongs together is written together, once, in order of the versions. Either may come first. Where the gradient does
/// not come until the next version is described, or the run is over, the version is written without it.
/// </summary>
/// <param name="write">Takes a version with its norms, or without.</param>
/// <param name="written">This version, and those before it, are written already; −1: none is.</param>
/// <param name="waiting">The one that an earlier sitting ended with, whose gradient is still to come; null: none.</param>
internal sealed class DescribedVersions(Action<WeightLine> write, long written = -1, WeightLine? waiting = null)
{
    private readonly SortedDictionary<long, MeasuredGradient> _gradients = [];
    private long _written = written;
    private (long Version, ParameterSummary[] Tensors)? _waiting = waiting is null ? null : (waiting.Step, waiting.Summaries());

    /// <summary>What the parameters of a version look like. One that was told before, such as before a recovery, is passed over.</summary>
    /// <param name="plan">As it is trained now.</param>
    /// <param name="version">The version.</param>
    /// <param name="tensors">Those that are described.</param>
    public void Described(TrainingPlan plan, long version, ParameterSummary[] tensors)
    {
        if (version <= _written || version < _waiting?.Version)
        {
            return;
        }

        if (_waiting?.Version < version)
        {
            Flush();
        }

        _waiting = (version, tensors);
        if (!plan.MeasuresAt(version) || WholeAt(version) is not null)
        {
            Flush();
        }
    }

    /// <summary>What a partition has measured. Told again, it is the same.</summary>
    /// <param name="plan">As it is trained now.</param>
    /// <param name="measured">The sums of squares.</param>
    /// <returns>False: they do not fit the run.</returns>
    public bool Measured(TrainingPlan plan, Partitions.Measured measured)
    {
        var step = measured.Step.Value;
        if (!plan.MeasuresAt(step))
        {
            return false;
        }

        if (step <= _written)
        {
            return true;
        }

        if (!_gradients.TryGetValue(step, out var gradient))
        {
            _gradients.Add(step, gradient = new MeasuredGradient(plan));
        }

        var fits = gradient.Add(measured);
        if (gradient.IsWhole && _waiting?.Version == step)
        {
            Flush();
        }

        return fits;
    }

    /// <summary>Writes what waits for its gradient.</summary>
    public void Flush()
    {
        if (_waiting is not var (version, tensors))
        {
            return;
        }

        write(WeightLine.Of(version, tensors, WholeAt(version)?.Norms()));
        (_written, _waiting) = (version, null);
        foreach (var step in _gradients.Keys.TakeWhile(step => step <= _written).ToArray())
        {
            _gradients.Remove(step);
        }
    }

    private MeasuredGradient? WholeAt(long version) => _gradients.TryGetValue(version, out var gradient) && gradient.IsWhole ? gradient : null;
}
