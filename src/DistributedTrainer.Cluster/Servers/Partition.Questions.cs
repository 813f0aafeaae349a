using DistributedTrainer.Channels;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What a worker is told that has waited for long.</summary>
internal sealed partial class Partition
{
    /// <summary>The run that it belongs to.</summary>
    public ulong Run => _plan.Token;

    /// <summary>How gradients are made smaller, as the experiment says it.</summary>
    public string Compression => ExperimentNames.Of(_plan.Experiment.Training.Compression.Kind);

    /// <summary>
    /// Answers at once: which version is there, and which leaves of its step have not come. The version that the worker
    /// waits for follows when it is made, as after a pull; one that is there is pulled.
    /// </summary>
    public void Ask(IChannel channel, in FrameHeader question)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            if (IsLoose)
            {
                AskLoose(channel, question);
                return;
            }

            if (question.Step > _current.Step || IsRestoring)
            {
                Await(channel, question.Step, PullForms.In(question.Flags));
            }

            AskNorm(channel, again: true);

            // Within the lock: an answer never overtakes the version that it speaks of.
            var answer = new OwnBytes(Lacks());
            channel.Post(question with { Kind = FrameKind.Reply, Step = IsRestoring ? _current.Step - 1 : _current.Step, PayloadBytes = answer.Bytes.Length }, answer);
        }
    }

    /// <summary>A bit for each shard whose leaf is awaited; empty: nothing is.</summary>
    private byte[] Lacks()
    {
        var step = _current.Step;
        if (_failed || _held || AwaitsNorm || IsRestoring || step == _plan.TotalSteps)
        {
            return [];
        }

        var lacks = ShardMask.Of(_plan.Shards);
        for (var shard = 0; shard < _plan.Shards; shard++)
        {
            if (_plan.LeafRows(step, shard) > 0 && !_leaves.Has(Engine.Reduction.TreeNode.OfLeaf(shard)))
            {
                ShardMask.Set(lacks, shard);
            }
        }

        return lacks;
    }
}
