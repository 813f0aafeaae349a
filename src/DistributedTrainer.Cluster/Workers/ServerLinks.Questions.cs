using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// What a worker does that hears nothing. It asks, with a frame without payload, how far a partition is; only what the
/// answer shows to be lost is sent again. A question goes out behind all that was sent before, and is answered behind all
/// that was answered before, so that what is still under way is never taken for lost.
/// </summary>
internal sealed partial class ServerLinks
{
    private readonly Question[] _questions = [.. plan.Ranges.Select(static _ => new Question())];
    private readonly ResendTimes _times = times ?? ResendTimes.Default;
    private readonly byte[] _lacks = new byte[inbox.AnswerBytes];
    private long _number;

    /// <summary>Asks the servers of those partitions that have not come; gives connections up whose servers have not answered for long.</summary>
    public void Ask(long generation, long version)
    {
        foreach (var range in _ranges)
        {
            if (inbox.Wants(range.Id, version) && TryBeginQuestion(range.Id))
            {
                inbox.Asked(range.Id, ++_number);
                PostQuestion(generation, version, range.Id, _number);
            }
        }

        CutSilent();
    }

    /// <summary>Asks the lead partition's server for a sign of life.</summary>
    /// <param name="generation">The assignment.</param>
    /// <param name="version">The version that this worker has.</param>
    public void AskLead(long generation, long version)
    {
        if (TryBeginQuestion(PartitionId.Lead.Value))
        {
            PostQuestion(generation, version, PartitionId.Lead.Value, RequestFlags.SignOfLife);
        }

        CutSilent();
    }

    /// <summary>Sends what the answers show to be lost. Returns whether there was anything.</summary>
    /// <param name="generation">The assignment.</param>
    /// <param name="version">The version that is awaited.</param>
    /// <param name="nodes">What was pushed of the step before it; empty: nothing.</param>
    /// <param name="reports">Sends what has to be there before a gradient is.</param>
    public bool SendLost(long generation, long version, IReadOnlyList<(TreeNode Node, NodeGradient Gradient)> nodes, Action reports)
    {
        var lost = false;
        foreach (var range in _ranges)
        {
            if (!inbox.TryTakeAnswer(range.Id, out var there, _lacks) || !inbox.Wants(range.Id, version))
            {
                continue;
            }

            if (there >= version)
            {
                Send(Header(FrameKind.Pull, generation, version, range.Id) with { Flags = FormOf(range.Id, version) }, Introduction);
                lost = true;
            }
            else if (plan.After(there) == version)
            {
                lost |= PushLacking(generation, there, range, nodes, reports);
            }
        }

        return lost;
    }

    private bool PushLacking(long generation, long step, PartitionRange range, IReadOnlyList<(TreeNode Node, NodeGradient Gradient)> nodes, Action reports)
    {
        var lost = false;
        for (var i = 0; i < nodes.Count; i++)
        {
            if (!Lacks(nodes[i].Node))
            {
                continue;
            }

            if (!lost && range.Id == PartitionId.Lead.Value)
            {
                reports();
            }

            // Whoever asks waits for the next version already.
            Push(generation, step, range, nodes[i].Node, nodes[i].Gradient, PushFlags.Carry(inbox.Ask));
            lost = true;
        }

        return lost;
    }

    private bool Lacks(TreeNode node)
    {
        for (var leaf = node.FirstLeaf; leaf < Math.Min(plan.Shards, node.FirstLeaf + (1 << node.Level)); leaf++)
        {
            if (ShardMask.Has(_lacks, leaf))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>False: the last question has not left yet.</summary>
    private bool TryBeginQuestion(int partition)
    {
        LinkTo(partition).Asked();
        return _questions[partition].TryBegin();
    }

    // Posted, so that it follows what was posted before.
    private void PostQuestion(long generation, long version, int partition, long number)
    {
        Count(0);
        LinkTo(partition).Channel.Post(
            Header(FrameKind.Request, generation, version, partition) with { Flags = (byte)(RequestFlags.Question | FormOf(partition, version)), Count = number }, _questions[partition]);
    }

    private void CutSilent()
    {
        foreach (var range in _ranges)
        {
            var link = LinkTo(range.Id);
            if (!link.Channel.IsOpen)
            {
                inbox.Break(link.Server, "the connection is closed");
            }
            else if (link.SilentFor(_times.Silence) is { } silent)
            {
                inbox.Break(link.Server, $"no answer for {silent.TotalSeconds:0.0} s");

                // Its end may never be heard of otherwise.
                link.Channel.Dispose();
            }
        }
    }

    /// <summary>No bytes; and a second one does not queue up behind one that has not left yet.</summary>
    private sealed class Question : IPayload
    {
        private int _waits;

        public ReadOnlySpan<byte> Bytes => [];

        public bool TryBegin() => Interlocked.Exchange(ref _waits, 1) == 0;

        public void Release() => Volatile.Write(ref _waits, 0);
    }
}
