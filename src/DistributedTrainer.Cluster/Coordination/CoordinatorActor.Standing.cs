using Akka.Actor;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A coordinator that nobody stands beside: it finds its work by itself, and leaves it in good order.</summary>
internal sealed partial class CoordinatorActor
{
    // Evaluations come as fast as epochs are short.
    private static readonly TimeSpan AnnouncedEach = TimeSpan.FromSeconds(2);

    // Nodes that train something which is not known here: it is recalled from them, or nobody's.
    private readonly HashSet<NodeId> _holders = [];
    private bool _hasLooked;
    private TimeSpan? _announcedAt;

    // Those who wait for a checkpoint before they end, and nodes that are about to go.
    private readonly List<(IActorRef Who, object Answer)> _waiting = [];
    private readonly HashSet<NodeId> _going = [];
    private TimeSpan _waitingSince;

    private void NoteHolder(Nodes.Register registration)
    {
        _ = registration.Run is { } held && !_ended.ContainsKey(held) ? _holders.Add(registration.Node) : _holders.Remove(registration.Node);
        LookForWork();
    }

    /// <summary>
    /// Once, when there are nodes that can train and none of them holds a run: nodes that do have newer parameters than any
    /// checkpoint.
    /// </summary>
    private void LookForWork()
    {
        if (_orders is null || _hasLooked || _run is not null || _starting || _holders.Count > 0
            || !_roster.Nodes.Any(static node => node.IsServer) || !_roster.Nodes.Any(static node => node.Workers.Count > 0))
        {
            return;
        }

        _hasLooked = true;
        try
        {
            if (_orders.Next() is { } submit)
            {
                Told(submit.Resume ? $"{submit.RunDirectory} was interrupted, and goes on." : $"The first experiment begins, in {submit.RunDirectory}.");
                Submit(submit, ActorRefs.Nobody);
            }
            else
            {
                Told($"No run in {_orders.Runs} was interrupted. The cluster waits for experiments: dtrain submit.");
            }
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            Told($"The runs in {_orders.Runs} cannot be read: {WriteProblem.Text(problem)}");
        }
    }

    private void AnnounceEvaluation(string text)
    {
        if (_orders is not null && (_announcedAt is not { } before || Now - before >= AnnouncedEach))
        {
            _announcedAt = Now;
            Told(text);
        }
    }

    /// <summary>
    /// A process is to end. Where the others can train on, nothing is lost with it; where they cannot, since it has partitions, is
    /// the last worker or the coordinator's own, a checkpoint is made first. So it is when all are told to end at the same moment.
    /// </summary>
    private void Leaving(Nodes.Leaving leaving)
    {
        _going.Add(leaving.Node);
        if (_run is { } run && _roster.Find(leaving.Node) is { } node
            && (node.Partitions.Length > 0 || (node.Workers.Count > 0 && Staying < run.Plan.Experiment.Cluster.MinimumWorkers)))
        {
            Wait(new Nodes.MayLeave(leaving.Node));
        }
        else
        {
            Sender.Tell(new Nodes.MayLeave(leaving.Node));
        }
    }

    private int Staying => _roster.UsableWorkers.Count(worker => !_going.Contains(_roster.NodeOf(worker)!.Id));

    private void Wait(object answer)
    {
        _waiting.Add((Sender, answer));
        _waitingSince = Now;
        HaveCheckpointMade();
    }

    /// <summary>What those who wait are waiting for; again whenever the run has come to another phase.</summary>
    private void HaveCheckpointMade()
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        switch (_run)
        {
            case { Phase: RunPhase.Training } run:
                ServerOf(PartitionId.Lead.Value)?.Agent.Tell(new Partitions.AskCheckpoint(run.Id, Last: false));
                break;
            case { Phase: RunPhase.Paused, IsEven: true, Plan.IsLoose: false } run when run.CommonVersion.Value > (run.Checkpoints.Steps is [var last, ..] ? last : 0):
                // Workers left before: the state stands still, and no step comes that a checkpoint could be made of.
                TellPartitions(id => new Partitions.TakeSnapshot(run.Id, id, run.CommonVersion));
                break;
            case { Phase: RunPhase.Fencing, IsLoading: false } or { Phase: RunPhase.Finishing }:
                break;
            default:
                LetGo();
                break;
        }
    }

    private void CheckpointSettled(PendingSnapshot snapshot)
    {
        if (snapshot.Since >= _waitingSince)
        {
            LetGo();
        }
        else
        {
            // It was begun before they asked.
            HaveCheckpointMade();
        }
    }

    private void LetGo()
    {
        _waiting.ForEach(static one => one.Who.Tell(one.Answer));
        _waiting.Clear();
    }

    /// <summary>Coordinator's own process → coordinator: leave, with a checkpoint; answered by <see cref="Left"/>.</summary>
    internal sealed class LeaveInOrder : INoSerializationVerificationNeeded
    {
        public static readonly LeaveInOrder Instance = new();
    }

    /// <summary>All is written that can be.</summary>
    internal sealed class Left : INoSerializationVerificationNeeded
    {
        public static readonly Left Instance = new();
    }
}
