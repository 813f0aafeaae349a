using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What a run is doing.</summary>
internal enum RunPhase
{
    /// <summary>Waiting for nodes, which read the data.</summary>
    Gathering,

    /// <summary>The state to go on from is being looked for, or there is no server to bring it to.</summary>
    Loading,

    /// <summary>Partitions are being fenced, and loaded where they begin anew; nothing is pushed.</summary>
    Fencing,

    /// <summary>Steps are going on.</summary>
    Training,

    /// <summary>Too few workers.</summary>
    Paused,

    /// <summary>Writing the last checkpoint and the result.</summary>
    Finishing,
}

/// <summary>A run's state as the coordinator holds it: plain data with questions.</summary>
internal sealed class ActiveRun(Nodes.Prepare prepare, TrainingPlan plan, RunFolder folder, RunProgress progress, Func<WorkerId, int>? threadsOf = null)
{
    private readonly Experiment _prepared = plan.Experiment;
    private readonly Dictionary<int, long> _fenced = [];
    private readonly HashSet<NodeId> _hosted = [];

    public RunId Id => prepare.Run;

    /// <summary>As it is trained now.</summary>
    public TrainingPlan Plan { get; private set; } = plan;

    /// <summary>What is different from what nodes were told to prepare; null: nothing.</summary>
    public string[]? Settings { get; private set; }

    /// <summary>What somebody wants to be different, until it is; null: nothing.</summary>
    public PendingChange? Change { get; set; }

    public RunFolder Folder => folder;

    public RunProgress Progress => progress;

    /// <summary>Where nodes fetch the data that they do not have; null: the run has no files.</summary>
    public DataSupply? Supply { get; init; }

    /// <summary>How nodes are told of the run.</summary>
    public Nodes.Prepare Prepare => prepare;

    public CheckpointFolder Checkpoints { get; } = new(prepare.RunDirectory, plan.Experiment.Checkpoint.Keep);

    public ShardAssignment Shards { get; } = new(plan.Shards, threadsOf);

    public PaceWatch Pace { get; } = new(plan.PlacesBySpeed, plan.Experiment.Training.LocalSteps);

    /// <summary>Shards that are to move when their rows are where they will be computed; null: none are.</summary>
    public PendingMove? Move { get; set; }

    public ClusterRecord Cluster { get; } = new();

    /// <summary>Versions that are looked at.</summary>
    public DescribedVersions Described { get; } = new(folder.Weights, folder.Described, folder.LastDescription);

    /// <summary>What steps were spent on.</summary>
    public TimelineFile Timeline { get; } = new(folder.FullPath, plan.Experiment.Cluster.Timeline, goesOn: true);

    /// <summary>Checkpoints that were written here, the time that they took, and their bytes.</summary>
    public (long Count, double Seconds, long Bytes) Written { get; set; }

    /// <summary>Of the whole run, for who traces; null: nobody does.</summary>
    public System.Diagnostics.Activity? Trace { get; init; }

    public NonFiniteSteps NonFinite { get; } = new(plan.After);

    public RunPhase Phase { get; set; } = RunPhase.Gathering;

    public Generation Generation { get; private set; }

    /// <summary>The generation that loaded the state which training goes on from.</summary>
    public Generation Loaded { get; private set; }

    /// <summary>What is loaded; null: what follows from the seed.</summary>
    public Checkpoint? From { get; set; }

    /// <summary>Whether <see cref="From"/> is what to load, or still being looked for.</summary>
    public bool IsStateKnown { get; set; } = true;

    /// <summary>Attempts to load in a row that failed.</summary>
    public int LoadingFailures { get; set; }

    /// <summary>When all of the state had been sent to the partitions; null: it has not.</summary>
    public TimeSpan? BroughtAt { get; set; }

    /// <summary>When the partitions were asked to take the current generation.</summary>
    public TimeSpan FencingSince { get; set; }

    /// <summary>The version that the run ends with; null: it goes on.</summary>
    public long? LastVersion { get; set; }

    /// <summary>Attempts to fetch the result that failed.</summary>
    public int FetchFailures { get; set; }

    /// <summary>Whether the current generation brings partitions to a state.</summary>
    public bool IsLoading => Loaded == Generation;

    /// <summary>Counts the attempts to load, to write a result: what an older one brings is ignored.</summary>
    public int Attempt { get; set; }

    /// <summary>What has been lent to bring partitions their state, until they have it.</summary>
    public IDisposable? Transfer { get; set; }

    /// <summary>Places of each role whose processes are not launched again.</summary>
    public Dictionary<string, int> GaveUp { get; } = [];

    /// <summary>The checkpoint that is being made; null: none.</summary>
    public PendingSnapshot? Snapshot { get; set; }

    /// <summary>Checkpoints up to this version are written, or were given up: whoever tells of one has not heard of that.</summary>
    public long SettledVersion { get; set; } = -1;

    /// <summary>Whether the last checkpoint could not be written.</summary>
    public bool IsCheckpointMissing { get; set; }

    /// <summary>Whether a worker waits for the next checkpoint, to get shards with what was put aside of them.</summary>
    public bool AdmitsNext { get; set; }

    /// <summary>When the user wanted an end; null: not.</summary>
    public TimeSpan? StoppingSince { get; set; }

    public bool Stopping => StoppingSince is not null;

    /// <summary>When progress was last seen, or something was last sent again.</summary>
    public TimeSpan LastProgress { get; set; }

    public IEnumerable<int> Unfenced => Enumerable.Range(0, Plan.Ranges.Count).Where(partition => !_fenced.ContainsKey(partition));

    /// <summary>The version that every partition has: where a new generation goes on.</summary>
    public StepId CommonVersion => new(_fenced.Values.Min());

    /// <summary>Whether all partitions are at the common version.</summary>
    public bool IsEven => _fenced.Values.Distinct().Count() == 1;

    /// <summary>Whether they differ by no more than one version, which some have made and others not yet.</summary>
    public bool IsClose => _fenced.Values.Max() <= Plan.After(_fenced.Values.Min());

    /// <summary>From the next generation that loads a state on it is trained like this.</summary>
    public void GoOnWith(TrainingPlan changed)
    {
        var overrides = RunSettings.Overrides(_prepared, changed.Experiment);
        (Plan, Settings) = (changed, overrides.Length == 0 ? null : overrides);
        Checkpoints.Keep = changed.Experiment.Checkpoint.Keep;
    }

    /// <summary>Closes what is open of it on this node.</summary>
    public void Close()
    {
        Transfer?.Dispose();
        Supply?.Dispose();
        Timeline.Dispose();
        Trace?.Dispose();
        Described.Flush();
        folder.Dispose();
    }

    public void NextGeneration(bool loads)
    {
        Generation = Generation.Next();
        Loaded = loads ? Generation : Loaded;
        Phase = RunPhase.Fencing;
        (BroughtAt, LastVersion, AdmitsNext, Move) = (null, null, false, null);
        _fenced.Clear();
        _hosted.Clear();
    }

    /// <summary>Others have seen more generations than this coordinator, which began anew.</summary>
    public void CatchUp(Generation newest, Generation loaded)
    {
        Generation = new Generation(Math.Max(Generation.Value, newest.Value));
        Loaded = new Generation(Math.Max(Loaded.Value, loaded.Value));
    }

    /// <summary>A node has made room for the state of its partitions.</summary>
    public void Hosted(NodeId node) => _hosted.Add(node);

    public bool HasHosted(NodeId node) => _hosted.Contains(node);

    /// <summary>Notes an answer; true: it was the last one missing.</summary>
    public bool Fenced(Partitions.Fenced fenced)
    {
        if (fenced.Generation != Generation || Phase != RunPhase.Fencing || (IsLoading && fenced.Version.Value != (From?.Step ?? 0)))
        {
            return false;
        }

        _fenced[fenced.Partition.Value] = fenced.Version.Value;
        return _fenced.Count == Plan.Ranges.Count;
    }
}
