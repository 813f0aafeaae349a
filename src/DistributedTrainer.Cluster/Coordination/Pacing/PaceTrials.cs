using System.Globalization;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// Tries placements, one at a time, and judges them by the steps that they give: fewer shards for a worker that may be slow,
/// none for one that is, and more for one that was. What does not pay is taken back, and is tried again ever more rarely.
/// </summary>
/// <param name="table">What is known of the workers' paces.</param>
/// <param name="standstill">Whether there are steps at all.</param>
/// <param name="rate">Steps a second under the current placement.</param>
internal sealed class PaceTrials(PaceTable table, StandstillWatch standstill, StepRate rate)
{
    // Above this a worker that was slow is not called fast.
    private const double Fast = 1.5;

    // Once, and this much longer than the others' part of a step: others wait for a worker that was slow before.
    private const double LongWaitedFor = 2;

    // A trial that gives nothing costs a step or two of it.
    private const int StepsBetween = 50;

    // Who does not complete a single step in this time while the run stands still needs no measuring.
    private static readonly TimeSpan OneStep = TimeSpan.FromSeconds(5);

    private readonly PaceDoubts _doubts = new(table, rate);
    private PaceTrial? _trial;
    private ShardAssignment? _back;

    // A chance that was the last to be taken back, until it is seen what steps are without it.
    private PaceTrial? _withdrawn;

    /// <summary>Whether a placement is on trial.</summary>
    public bool IsOn => _trial is not null;

    /// <summary>Who is to have one shard although it would have none by its pace, since else nobody would know when it is fast again.</summary>
    public WorkerId? Probe { get; private set; }

    private TimeSpan Least => StepsBetween * (standstill.UsualStep ?? TimeSpan.Zero);

    /// <summary>Whether shards are to go back to where they were.</summary>
    public bool GoesBack(IReadOnlyList<WorkerId> workers, ShardAssignment shards) =>
        _back is { } back && workers.Any(worker => !back.ShardsOf(worker).SequenceEqual(shards.ShardsOf(worker)));

    /// <summary>The shards are about to be placed among these.</summary>
    public void Placing(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (_back is { } back)
        {
            shards.GoBackTo(back);
            _back = null;
        }

        if (_trial is { } trial && !trial.IsAmong(workers))
        {
            Abandon(now);
        }
    }

    /// <summary>What the trial has to say of this worker is overtaken by what is known of it.</summary>
    public void Without(WorkerId worker)
    {
        _trial?.Records.Remove(worker);
        Probe = Probe == worker ? null : Probe;
    }

    /// <summary>The trial cannot come to an end: what was held against whom it is about is so again.</summary>
    public void Abandon(TimeSpan now)
    {
        foreach (var (worker, record) in _trial?.Records ?? [])
        {
            table.Restore(worker, record);
            if (_trial!.Doubt is null)
            {
                record.Postpone(now);
            }
        }

        Forget();
    }

    /// <summary>There is no trial, and nobody is to be compared with how it was.</summary>
    public void Forget() => (_trial, Probe) = (null, null);

    /// <summary>What the trial shows, or what is to be tried.</summary>
    public IReadOnlyList<PaceNews> Look(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (_trial is { } trial)
        {
            return trial.Doubt is not null ? OfTheRelieved(trial, workers, now)
                : workers.FirstOrDefault(worker => table.Record(worker).IsTried) is { Value: not null } tried ? OfTheTried(trial, tried, workers, now)
                : OfTheRecovered(trial, now);
        }

        LookBack();
        return Fewer(workers, shards, now) is [_, ..] fewer ? fewer
            : None(workers, shards, now) is [_, ..] none ? none
            : Chance(workers, shards, now) is { } more ? [more] : [];
    }

    /// <summary>Where steps do not come back without a chance that was withdrawn, it was not the chance that cost them.</summary>
    private void LookBack()
    {
        if (_withdrawn is not { } chance || rate.Slices < PaceTrial.Few)
        {
            return;
        }

        _withdrawn = null;
        if (chance.IsWorse(rate))
        {
            chance.Records.Where(pair => table.Record(pair.Key) == pair.Value).Select(static pair => pair.Value).ToList().ForEach(static record => record.Again());
        }
    }

    private List<PaceNews> Fewer(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        var slow = _doubts.Slow(workers, shards, Least, now);
        if (slow.Count > 0)
        {
            Begin(slow.Select(static one => one.Worker), shards, workers, _doubts.OfSlow, PaceTrial.Enough);
        }

        foreach (var (worker, _, pace) in slow)
        {
            table.Record(worker).Doubted(pace, _doubts.OfSlow, now);
        }

        return [.. slow.Select(static one => new PaceNews(one.Worker, PaceChange.Doubted, Text($"{one.Worker} computes {one.Factor:0.0} times slower than the others: shards move for a trial.")))];
    }

    private List<PaceNews> None(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (_doubts.NeedsNone(workers, shards, Least, now) is not var (worker, pace))
        {
            return [];
        }

        Begin([worker], shards, workers, _doubts.OfLast);
        table.Record(worker).Doubted(pace, _doubts.OfLast, now);
        return [new(worker, PaceChange.Doubted, $"{worker} is slow: its last shards move for a trial.")];
    }

    private PaceNews? Chance(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now) =>
        rate.Slices >= PaceTrial.Few && table.Fastest(table.Normal(workers)) is { } fastest
            ? workers.Where(worker => table.Record(worker).IsDue(now, Least)).Select(worker => Chance(worker, workers, fastest, shards, now)).FirstOrDefault(static news => news is not null)
            : null;

    private PaceNews? Chance(WorkerId worker, IReadOnlyList<WorkerId> workers, WorkerPace fastest, ShardAssignment shards, TimeSpan now)
    {
        var (record, one) = (table.Record(worker), table.Measured(worker));
        if (one.Shards == 0)
        {
            Begin([worker], shards, workers);
            record.Try(record.Pace, now);
            Probe = worker;
            return Tried(worker);
        }

        if (one.MostOfShard / fastest.LeastOfShard is not { } factor)
        {
            return null;
        }

        if (factor < Fast)
        {
            if (shards.WouldMove(workers, table.PacesWith([new(worker, 1)])))
            {
                Begin([worker], shards, workers);
            }

            Recover(record, 1, now);
            return Recovered(worker);
        }

        // Few rows may take longer each than many: that it is slow with them proves nothing.
        for (var pace = Math.Min(record.Pace, factor); pace >= Fast;)
        {
            pace /= 2;
            var tried = pace < Fast ? 1 : pace;
            if (shards.WouldMove(workers, table.PacesWith([new(worker, tried)])))
            {
                Begin([worker], shards, workers);
                record.Try(tried, now);
                return Tried(worker);
            }
        }

        record.Postpone(now);
        return null;
    }

    /// <summary>Whether a worker has used its chance; nothing: it is too early to say.</summary>
    private IReadOnlyList<PaceNews> OfTheTried(PaceTrial trial, WorkerId worker, IReadOnlyList<WorkerId> workers, TimeSpan now)
    {
        // The others have less to do than before: what they needed then is enough of a measure, and is known at once.
        var (record, one) = (table.Record(worker), table.Measured(worker));
        var others = workers.Where(other => !table.Record(other).IsSuspect).Max(other => table.Measured(other).OwnSoFar);
        if (trial.IsWorse(rate) || table.IsWaitedFor(worker, others) || (one.IsBusy && one.Own > LongWaitedFor * others) || (one.Own is null && standstill.IsStill(OneStep, now)))
        {
            return StillSlow(trial, now);
        }

        if (rate.Slices < PaceTrial.Few || FactorOf(worker, workers) is not { } factor)
        {
            return [];
        }

        // What it gets now is judged by the same steps.
        var pace = Probe == worker ? Math.Min(record.Pace, factor) : record.Pace;
        Recover(record, pace < Fast ? 1 : pace, now);
        Probe = null;
        return [Recovered(worker)];
    }

    /// <summary>Whether it pays that a worker that was slow has its shards again.</summary>
    private PaceNews[] OfTheRecovered(PaceTrial trial, TimeSpan now)
    {
        if (trial.IsWorse(rate))
        {
            return StillSlow(trial, now);
        }

        _trial = PaceTrial.IsOver(rate) ? null : trial;
        return [];
    }

    /// <summary>Whether it pays that workers have fewer shards. Where one looks fast with them, it is not those shards that made the difference.</summary>
    private PaceNews[] OfTheRelieved(PaceTrial trial, IReadOnlyList<WorkerId> workers, TimeSpan now)
    {
        if (trial.IsVain(rate) || (PaceTrial.IsOver(rate) && trial.Records.Keys.Any(worker => FactorOf(worker, workers) < Fast)))
        {
            return Restored(trial, now);
        }

        if (!PaceTrial.IsOver(rate))
        {
            return [];
        }

        _trial = null;
        return [.. trial.Records.Keys.Select(worker => new PaceNews(worker, PaceChange.Relieved, Text($"{worker} is slow: with fewer shards for it there are {rate.Latest():0.0} steps a second instead of {trial.Rate:0.0}.")))];
    }

    /// <summary>How many times longer a worker takes for a shard, at most; null: it is not known, or it has none.</summary>
    private double? FactorOf(WorkerId worker, IReadOnlyList<WorkerId> workers) => table.Measured(worker).MostOfShard / table.Fastest(table.Normal(workers))?.LeastOfShard;

    /// <summary>The shards are about to be placed for a trial, but what is held against workers is not changed yet.</summary>
    private void Begin(IEnumerable<WorkerId> about, ShardAssignment shards, IReadOnlyList<WorkerId> workers, Pause? doubt = null, int slices = int.MaxValue) =>
        _trial = new PaceTrial(shards.Copy(), workers, table.Copy(about), rate.Latest(slices) ?? 0, doubt);

    private PaceNews[] Restored(PaceTrial trial, TimeSpan now)
    {
        var news = trial.Records.Keys.Select(worker => new PaceNews(worker, PaceChange.Restored, Text($"{worker} gets its shards back: without them there are {rate.Latest():0.0} steps a second, with them {trial.Rate:0.0}."))).ToArray();
        trial.Doubt!.Vain(now);
        TakeBack(trial, static _ => { });
        return news;
    }

    private PaceNews[] StillSlow(PaceTrial trial, TimeSpan now)
    {
        TakeBack(trial, record => record.Withdraw(now));
        _withdrawn = trial;
        return [.. trial.Records.Select(static pair => new PaceNews(pair.Key, PaceChange.StillSlow, $"{pair.Key} is still slow; its next chance comes in {pair.Value.Pause.TotalSeconds:0} s."))];
    }

    private void TakeBack(PaceTrial trial, Action<SlowWorker> note)
    {
        foreach (var (worker, record) in trial.Records)
        {
            note(table.Restore(worker, record));
        }

        _back = trial.Before;
        Forget();
    }

    private static PaceNews Tried(WorkerId worker) => new(worker, PaceChange.Tried, $"{worker} was slow, and gets more to do to see whether it still is.");

    private void Recover(SlowWorker record, double pace, TimeSpan now)
    {
        // Such doubts do not last here.
        record.Doubts.ForEach(doubt => doubt.Vain(now));
        record.Recovered(pace, now);
    }

    private PaceNews Recovered(WorkerId worker) =>
        new(worker, PaceChange.Recovered, table.Record(worker).IsSlow ? $"{worker} is faster than it was." : $"{worker} is fast again: it gets its share of the shards.");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
