using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Settings that somebody wants for the run, until they hold or are given up.</summary>
/// <param name="request">Its name.</param>
/// <param name="plan">How it is to be trained.</param>
/// <param name="changes">What is different.</param>
internal sealed class PendingChange(string request, TrainingPlan plan, SettingChange[] changes)
{
    public string Request => request;

    public TrainingPlan Plan => plan;

    public SettingChange[] Changes => changes;

    /// <summary>Who is told.</summary>
    public required IActorRef Asker { get; set; }

    /// <summary>Whether the run folder has them: from then on they hold, whatever dies.</summary>
    public bool IsAdopted { get; set; }

    /// <summary>When a checkpoint was asked for to make them with.</summary>
    public TimeSpan AskedAt { get; set; }

    /// <summary>Checkpoints that could not be fetched.</summary>
    public int Failures { get; set; }

    /// <summary>Whether workers and servers have to know.</summary>
    public bool ConcernsNodes => Array.Exists(changes, static change => RunSettings.ConcernsNodes(change.Key));

    /// <summary>As in "training.mode is stale (was sync)".</summary>
    public string Text => SettingChange.Text(changes);
}
