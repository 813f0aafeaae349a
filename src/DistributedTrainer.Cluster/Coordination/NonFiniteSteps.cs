using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Steps that are not finite: workers tell where it began, the lead partition what became of it, in any order. Time is
/// given, never asked for.
/// </summary>
/// <param name="after">The version that follows one; null: the number after it.</param>
internal sealed class NonFiniteSteps(Func<long, long>? after = null)
{
    // Workers on different nodes tell of the same step within this time; the first cause of all is wanted.
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(300);

    // A worker that dies just then has nothing more to tell.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private const int CausesKept = 1000;

    // Skipped steps that are told one by one; then only their number, each time that it is ten times as large.
    private const int ToldSingly = 5;

    private readonly SortedDictionary<long, Protocol.Workers.NotFinite> _causes = [];
    private readonly Queue<(long Step, TimeSpan Since)> _skipped = new();
    private (long Step, TimeSpan Since)? _stop;
    private long _told;
    private long _nextTold = 10;

    /// <summary>The version that the run ends with, since the step after it is not finite; null: there is no such step.</summary>
    public long? StopsAt => _stop?.Step;

    /// <summary>A worker has found something in one of its leaves.</summary>
    public void Found(Protocol.Workers.NotFinite found)
    {
        if (!_causes.TryGetValue(found.Step.Value, out var known) || (found.Order, found.Shard).CompareTo((known.Order, known.Shard)) < 0)
        {
            _causes[found.Step.Value] = found;
        }

        if (_causes.Count > CausesKept)
        {
            _causes.Remove(_causes.Keys.First());
        }
    }

    /// <summary>The partitions stay at this version.</summary>
    public void Stop(long step, TimeSpan now) => _stop = _stop?.Step == step ? _stop : (step, now);

    /// <summary>This step was left out.</summary>
    public void Skipped(long step, TimeSpan now) => _skipped.Enqueue((step, now));

    /// <summary>Partitions begin anew with an older state.</summary>
    public void GoBack() => _stop = null;

    /// <summary>Whether all is known of why the run ends, or nothing more will be.</summary>
    public bool IsStopDue(TimeSpan now) => _stop is { } stop && IsExplained(stop.Step, stop.Since, now);

    /// <summary>What is to be told of steps that were left out.</summary>
    public IEnumerable<string> News(TimeSpan now)
    {
        while (_skipped.TryPeek(out var next) && IsExplained(next.Step, next.Since, now))
        {
            _skipped.Dequeue();
            if (++_told <= ToldSingly)
            {
                yield return after?.Invoke(next.Step) is { } end && end > next.Step + 1
                    ? $"Steps {next.Step + 1} to {end} were skipped: {CauseOf(next.Step)}."
                    : $"Step {next.Step + 1} was skipped: {CauseOf(next.Step)}.";
            }
            else if (_told == _nextTold)
            {
                yield return $"{_told} steps were skipped so far, since their losses or gradients were not finite. Lower optimizer.learning-rate, or look at the data for extreme values.";
            }

            _nextTold *= _told >= _nextTold ? 10 : 1;
        }
    }

    /// <summary>Why a step is not finite.</summary>
    public string CauseOf(long step) => _causes.TryGetValue(step, out var cause)
        ? $"in shard {cause.Shard}, computed by {cause.Worker}, {cause.Where}"
        : "its loss or gradient is not finite";

    /// <summary>Why the run ends, and how to go on.</summary>
    /// <param name="runDirectory">The run.</param>
    /// <param name="model">Whether the state before the step is finite, so that model.safetensors holds it.</param>
    /// <param name="checkpoint">The step of the last checkpoint; null: there is none.</param>
    public string StopText(string runDirectory, bool model, long? checkpoint)
    {
        var step = StopsAt ?? throw new InvalidOperationException("non-finite steps: the run does not end with one.");
        var text = after?.Invoke(step) is { } end && end > step + 1
            ? $"what steps {step + 1} to {end} lead to is not finite: {CauseOf(step)}. Nothing of them was applied. "
            : $"step {step + 1} is not finite: {CauseOf(step)}. Nothing of it was applied. ";
        text += model ? $"model.safetensors holds the parameters after step {step}. "
            : step > 0 ? $"The parameters after step {step} are not finite either, or could not be fetched, so that there is no model.safetensors. "
            : "";
        text += checkpoint is { } last ? $"The last good checkpoint is of step {last}: dtrain resume {runDirectory} --set training.non-finite=skip goes on from it and leaves such steps out. " : "";
        return text + "Lower optimizer.learning-rate, or look at the data for extreme values"
            + (model ? $"; a new run with model.from: {Path.Combine(runDirectory, "model.safetensors")} begins with these parameters." : ".");
    }

    private bool IsExplained(long step, TimeSpan since, TimeSpan now) => now - since > (_causes.ContainsKey(step) ? Grace : Limit);
}
