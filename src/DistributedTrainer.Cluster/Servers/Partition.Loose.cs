using System.Diagnostics;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Modes in which each push is an update of its own: it is applied when it comes, and whoever has pushed gets the
/// parameters as they are then, as soon as the policy lets it begin its next step. Partitions do not agree on an order: each
/// has its own, and writes it down. What a partition sends to a member is kept until the member asks for more, so that
/// a repetition is the same version; a new generation forgets it.
/// </summary>
internal sealed partial class Partition
{
    private readonly SortedDictionary<int, LooseMember> _members = [];

    // Null: all leaves of a step make one update.
    private readonly LooseSteps? _loose;
    private readonly OrderLog? _order;

    /// <summary>Whether each push is an update of its own.</summary>
    public bool IsLoose => _loose is not null;

    // The newest version of which all leaves are here.
    private long CurrentStep => _loose?.Slowest ?? _current.Step;

    /// <summary>A worker says who it is, and which step it wants to begin.</summary>
    public void Join(IChannel channel, in FrameHeader pull, ReadOnlySpan<byte> introduction)
    {
        lock (_gate)
        {
            if (_disposed || _loose is null || pull.Generation != _generation || LooseMember.Read(introduction, _plan.Shards) is not { } joined)
            {
                // Of an older generation: it will hear of the new one.
                return;
            }

            if (!_members.TryGetValue(joined.Id, out var member))
            {
                _members.Add(joined.Id, member = joined);
                _order!.Member(member.Shards, member.Name);
            }

            member.Channel = channel;
            Want(member, pull.Step);
        }
    }

    private LeafBuffer? ReserveLoose(in FrameHeader push, TreeNode node, out string? refusal)
    {
        refusal = push.Generation != _generation ? StaleText(push.Generation) : IsRestoring ? $"step {push.Step} is ahead of version {CurrentStep}" : Misfit(push, node);
        if (refusal is not null || _failed || _held)
        {
            return null;
        }

        var place = _loose!.Place(node, push.Step);
        refusal = place switch
        {
            PushPlace.Ahead => $"step {push.Step} of node {node} is ahead of its shards",
            PushPlace.Partly => $"node {node} of step {push.Step} is here in parts",
            _ => null,
        };
        return place == PushPlace.Next ? _buffers.Rent() : null;
    }

    /// <summary>Applies a push that has come whole, unless the world has moved on meanwhile.</summary>
    private void CompleteLoose(in FrameHeader push, TreeNode node, LeafBuffer buffer)
    {
        try
        {
            if (push.Generation != _generation || _failed || _held || _disposed || _loose!.Place(node, push.Step) != PushPlace.Next)
            {
                return;
            }

            if (OwnerOf(node) is { } owner)
            {
                Judge(Verdict.Unpack(push.Count));
                _loose.Note(push.Step, PushFlags.AskIn(push.Flags));
                Apply(push.Step, node, owner, buffer);
            }
        }
        finally
        {
            _buffers.Return(buffer);
        }
    }

    private void Apply(long step, TreeNode node, LooseMember owner, LeafBuffer buffer)
    {
        CrashPoint.Reach("server.before-apply", step);
        CompleteOrder();
        var fault = FaultOf(buffer, null);
        var leftOut = fault != LeafFault.None;
        if (leftOut && (!_plan.SkipsNonFinite || fault != LeafFault.NotFinite))
        {
            _failed = true;
            _events.Failed(step, $"the loss or the gradient of node {node} in step {step}, pushed by {owner.Name}, is not finite");
            return;
        }

        if (_verdict.BestVersion == step && step > 0 && _plan.RestoresBest && _loose!.IsEven && _best?.Step != step)
        {
            _best?.Release();
            _current.Relabel(step);
            _best = _current.Share();
        }

        if (!leftOut)
        {
            var next = _versions.Rent().Open(step + 1, _verdict);
            Record.Begin(step);
            var began = Stopwatch.GetTimestamp();
            _update.Run(step, _verdict.Reductions, buffer.Rows, _current.Values, buffer, null, next.Values, updates: _loose!.UpdatesBefore(node));
            Updated(began);
            _current.Release();
            _current = next;
        }

        _order!.Applied(owner.Id, node, leftOut);
        _loose!.Advance(node, step, buffer.LossSum, buffer.Rows, leftOut);
        CrashPoint.Reach("server.before-publish", step);
        TellSteps();
        ReleaseMembers();
    }

    private void TellSteps()
    {
        while (_loose!.TryTell(out var step, out var sums))
        {
            _events.StepApplied(step, sums.Loss, sums.Rows, _plan.LearningRate(step, _verdict.Reductions), sums.LeftOut);
            _asked |= _loose.AskOf(step);
        }

        // Nobody has begun the step after it: the barrier holds until this is done.
        PutAside();
    }

    private void ReleaseMembers()
    {
        foreach (var member in _members.Values)
        {
            TryRelease(member);
        }
    }

    /// <summary>What was sent already was lost, and is sent again.</summary>
    private void Want(LooseMember member, long step)
    {
        if (member.Sent is not null && step <= member.SentAs.Step)
        {
            if (step == member.SentAs.Step)
            {
                Post(member);
            }

            // An older one has come late: the member is beyond it.
            return;
        }

        member.Waits = step;
        TryRelease(member);
    }

    private void TryRelease(LooseMember member)
    {
        if (member.Waits < 0 || member.Channel is null || _held || _failed || _disposed || IsRestoring)
        {
            return;
        }

        var (step, next) = (member.Waits, _loose!.NextOf(member.Shards));

        // Where it has no rows, a worker goes past a step that nobody has begun.
        Decide(next - 1);
        if (_loose.Entry(member.Shards, step, next) is not { } first)
        {
            // Its last pushes have not all come, or the others are too far behind.
            return;
        }

        Decide(first);

        var apart = _loose.AreApart(member.Shards, first);
        member.Sent?.Release();
        (member.Sent, member.Waits) = (_current.Share(), -1);
        member.SentAs = new FrameHeader
        {
            Kind = FrameKind.Parameters,
            Run = _plan.Token,
            Generation = _generation,
            Step = step,
            Partition = _range.Id,
            Index = (int)(first - step),
            Count = _verdict.Packed,
            Flags = (byte)((byte)_loose.AskOf(first) | (apart ? ParameterFlags.Apart : 0)),
            PayloadBytes = _versionLength * sizeof(float),
        };
        _order!.Sent(member.Id, apart);
        Post(member);
    }

    /// <summary>Which steps make a checkpoint, in the lead partition: decided before anybody has begun them.</summary>
    private void Decide(long until)
    {
        for (; _checkpoints is not null && _loose!.Decided < until; _loose.Decided++)
        {
            _loose.Note(_loose.Decided + 1, _checkpoints.Next(_loose.Decided + 2, _loose.Decided + 1));
        }
    }

    private static void Post(LooseMember member) => member.Channel?.Post(member.SentAs, member.Sent!.Share());

    /// <summary>A member has pushed all that it has of a step, and wants to begin the next. One over a new connection says first who it is.</summary>
    public void WantNext(IChannel channel, in FrameHeader push)
    {
        lock (_gate)
        {
            if (!_disposed && push.Generation == _generation && MemberAt(channel) is { } member)
            {
                Want(member, push.Step + 1);
            }
        }
    }

    /// <summary>Whoever does not say who it is wants the result.</summary>
    private bool PullLoose(IChannel channel, long version)
    {
        var found = IsRestoring ? null : version == CurrentStep ? _current : version == _best?.Step ? _best : null;
        if (found is not null)
        {
            Send(channel, found, version);
        }

        return found is not null;
    }

    /// <summary>As <see cref="Ask"/>: what the member lacks, or which of its leaves are missing here.</summary>
    private void AskLoose(IChannel channel, in FrameHeader question)
    {
        var (wanted, there, lacks) = (question.Step, question.Step, ShardMask.Of(_plan.Shards));

        // Who asks for a sign of life names the version that it has, not one that it wants; it may have been sent under the number of
        // an older one, where others had taken the steps between them.
        if (question.Count != RequestFlags.SignOfLife && question.Generation == _generation && MemberAt(channel) is { } member && (member.Sent is null || member.SentAs.Step < wanted))
        {
            member.Waits = wanted;
            TryRelease(member);
            there = wanted - 1;
            foreach (var shard in member.Shards.Where(shard => _loose!.Lacks(shard, wanted - 1)))
            {
                ShardMask.Set(lacks, shard);
            }
        }

        channel.Post(question with { Kind = FrameKind.Reply, Step = there, PayloadBytes = lacks.Length }, new OwnBytes(lacks));
    }

    private void FenceLoose()
    {
        foreach (var member in _members.Values)
        {
            member.Leave();
        }

        _members.Clear();
        _order?.Generation(_generation);
    }

    private void Judge(Verdict verdict)
    {
        // A worker that has just come may know less.
        if (verdict != _verdict && verdict.Reductions >= _verdict.Reductions && verdict.BestVersion >= _verdict.BestVersion)
        {
            _verdict = verdict;
            _order!.Judged(verdict);
        }
    }

    private LooseMember? MemberAt(IChannel channel) => _members.Values.FirstOrDefault(member => ReferenceEquals(member.Channel, channel));

    private LooseMember? OwnerOf(TreeNode node) => _members.Values.FirstOrDefault(member => Array.IndexOf(member.Shards, node.FirstLeaf) >= 0);
}
