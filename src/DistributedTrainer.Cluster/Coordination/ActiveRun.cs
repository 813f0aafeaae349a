using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What a run is doing.</summary>
internal enum RunPhase
{
    /// <summary>Waiting for nodes, which read the data.</summary>
    Gathering,

    /// <summary>Partitions are being fenced; nothing is pushed.</summary>
    Fencing,

    /// <summary>Steps are going on.</summary>
    Training,

    /// <summary>Too few workers.</summary>
    Paused,

    /// <summary>Fetching and writing the result.</summary>
    Finishing,
}

/// <summary>A run's state as the coordinator holds it: plain data with questions.</summary>
internal sealed class ActiveRun(RunId id, TrainingPlan plan, RunFolder folder, RunProgress progress, string yaml, Submissions.Submit submission)
{
    private readonly Dictionary<int, long> _fenced = [];

    public RunId Id => id;

    public TrainingPlan Plan => plan;

    public RunFolder Folder => folder;

    public RunProgress Progress => progress;

    public Submissions.Submit Submission => submission;

    public ShardAssignment Shards { get; } = new(plan.Shards);

    public RunPhase Phase { get; set; } = RunPhase.Gathering;

    public Generation Generation { get; private set; }

    /// <summary>Whether every partition has answered once.</summary>
    public bool Hosted { get; private set; }

    /// <summary>The user wants an end; the next fence is the last.</summary>
    public bool Stopping { get; set; }

    /// <summary>When progress was last seen, or something was last sent again.</summary>
    public TimeSpan LastProgress { get; set; }

    public Nodes.Prepare Prepare => new(id, plan.Token, yaml, submission.BaseDirectory);

    public IEnumerable<int> Unfenced => Enumerable.Range(0, plan.Ranges.Count).Where(partition => !_fenced.ContainsKey(partition));

    /// <summary>The version that every partition has: where a new generation goes on.</summary>
    public StepId CommonVersion => new(_fenced.Values.Min());

    public void NextGeneration()
    {
        Generation = Generation.Next();
        Phase = RunPhase.Fencing;
        _fenced.Clear();
    }

    /// <summary>Notes an answer; true: it was the last one missing.</summary>
    public bool Fenced(Partitions.Fenced fenced)
    {
        if (fenced.Generation != Generation || Phase != RunPhase.Fencing)
        {
            return false;
        }

        _fenced[fenced.Partition.Value] = fenced.Version.Value;
        Hosted |= _fenced.Count == plan.Ranges.Count;
        return _fenced.Count == plan.Ranges.Count;
    }
}
