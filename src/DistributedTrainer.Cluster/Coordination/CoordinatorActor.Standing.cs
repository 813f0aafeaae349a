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

    // Whoever waits for a checkpoint before this coordinator leaves.
    private IActorRef? _leaving;
    private TimeSpan _leavingSince;

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
                _orders.Told(submit.Resume ? $"{submit.RunDirectory} was interrupted, and goes on." : $"The first experiment begins, in {submit.RunDirectory}.");
                Submit(submit, ActorRefs.Nobody);
            }
            else
            {
                _orders.Told($"No run in {_orders.Runs} was interrupted. The cluster waits for experiments: dtrain submit.");
            }
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            _orders.Told($"The runs in {_orders.Runs} cannot be read: {WriteProblem.Text(problem)}");
        }
    }

    private void AnnounceEvaluation(string text)
    {
        if (_orders is not null && (_announcedAt is not { } before || Now - before >= AnnouncedEach))
        {
            _announcedAt = Now;
            _orders.Told(text);
        }
    }

    /// <summary>The process is to end: first what was trained is put where the next one finds it.</summary>
    private void Leave()
    {
        (_leaving, _leavingSince) = (Sender, Now);
        if (_run is not { } run)
        {
            LeaveNow();
        }
        else if (run.Phase == RunPhase.Training)
        {
            ServerOf(PartitionId.Lead.Value)?.Agent.Tell(new Partitions.AskCheckpoint(run.Id, Last: false));
        }
        else if (run.Phase == RunPhase.Paused && run.IsEven && !run.Plan.IsLoose && run.CommonVersion.Value > (run.Checkpoints.Steps is [var last, ..] ? last : 0))
        {
            // Workers left before: the state stands still, and no step comes that a checkpoint could be made of.
            TellPartitions(id => new Partitions.TakeSnapshot(run.Id, id, run.CommonVersion));
        }
        else if (run.Phase != RunPhase.Finishing)
        {
            LeaveNow();
        }
    }

    private void LeaveNow()
    {
        _leaving?.Tell(Left.Instance);
        _leaving = null;
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
