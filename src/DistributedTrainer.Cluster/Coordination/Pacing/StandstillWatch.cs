using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// Finds workers that are frozen: the run stands still, and they alone are not heard of. A process that is stopped keeps
/// its connections, so that nothing else tells for a long time. Time is given, never asked for.
/// </summary>
/// <param name="stepsAtOnce">Steps from one version to the next, which are all told when the last of them is applied.</param>
internal sealed class StandstillWatch(int stepsAtOnce = 1)
{
    // Four statuses that did not come.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(2);

    // The others are heard of: two statuses of theirs would have come.
    private static readonly TimeSpan Recent = TimeSpan.FromSeconds(1);

    // A run stands still when nothing was applied for this long, and for several of its usual steps.
    private static readonly TimeSpan Still = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StillBeforeTheFirst = TimeSpan.FromSeconds(5);
    private const int StillSteps = 4;

    // The usual step is at most this much longer than it was one report before: a pause is not usual, slow steps become so.
    private const double Growth = 1.25;

    private readonly Dictionary<WorkerId, TimeSpan> _heard = [];
    private TimeSpan _progressAt;
    private long? _version;
    private long _evaluated = -1;

    /// <summary>Time of a step while all is well; null: none was made yet.</summary>
    public TimeSpan? UsualStep { get; private set; }

    /// <summary>A worker tells something.</summary>
    public void Heard(WorkerId worker, TimeSpan now) => _heard[worker] = now;

    /// <summary>Steps were applied, up to this version; or that is told again.</summary>
    public void Applied(long version, TimeSpan now)
    {
        if (version > _version)
        {
            var step = (now - _progressAt) / (version - _version.Value);
            UsualStep = UsualStep is not { } usual || step < usual * Growth ? step : usual * Growth;
        }

        // It may have gone back to a checkpoint.
        _progressAt = version != _version ? now : _progressAt;
        _version = version;
    }

    /// <summary>This version was evaluated; or that is told again.</summary>
    public void Evaluated(long version, TimeSpan now) => (_evaluated, _progressAt) = (version, version != _evaluated ? now : _progressAt);

    /// <summary>From here on things are to be seen: an assignment begins, or nobody watched for a while.</summary>
    public void Begin(TimeSpan now)
    {
        _progressAt = now;
        foreach (var worker in _heard.Keys)
        {
            _heard[worker] = now;
        }
    }

    /// <summary>Whether nothing was applied for this long, and for several usual steps.</summary>
    public bool IsStill(TimeSpan least, TimeSpan now) => now - _progressAt > least && now - _progressAt > StillSteps * stepsAtOnce * (UsualStep ?? TimeSpan.Zero);

    /// <summary>Those who are frozen, and for how long they have not been heard of; nobody where all are silent, or none.</summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="hasShards">Whom others may wait for.</param>
    /// <param name="now">Now.</param>
    public IReadOnlyList<(WorkerId Worker, TimeSpan Silent)> Frozen(IReadOnlyList<WorkerId> workers, Predicate<WorkerId> hasShards, TimeSpan now) =>
        IsStill(UsualStep is null ? StillBeforeTheFirst : Still, now) && workers.Any(worker => _heard.TryGetValue(worker, out var at) && now - at < Recent)
            ? [.. from worker in workers
                where hasShards(worker) && _heard.TryGetValue(worker, out var at) && now - at > Silence
                select (worker, now - _heard[worker])]
            : [];
}
