using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Sums that came before their worker had seen all of its leaves' gradients. They are kept apart until it says that they
/// are whole, and with which faults: what is not finite must be known in all partitions before any applies the step.
/// </summary>
internal sealed partial class Partition
{
    // At most one a node, so that no more are kept than the tree has nodes.
    private readonly Dictionary<TreeNode, LeafBuffer> _open = [];

    /// <summary>
    /// Takes a sum that was kept. Where there is none it was lost on its way: whoever sent it will ask, and push it again.
    /// Returns a reason where it is refused.
    /// </summary>
    public string? Close(in FrameHeader push)
    {
        LeafBuffer? buffer;
        lock (_gate)
        {
            if (Judge(push, new TreeNode(push.Level, push.Index)) is { } refusal)
            {
                return refusal;
            }

            if (!_open.Remove(new TreeNode(push.Level, push.Index), out buffer))
            {
                return null;
            }
        }

        Complete(push with { Flags = (byte)(push.Flags & ~PushFlags.Open) }, buffer);
        return null;
    }

    private void Keep(TreeNode node, LeafBuffer buffer)
    {
        // It lies with a worker of this host that computes on while others of its partitions are updated.
        _update.SharesCores |= buffer.IsBorrowed;
        if (!_open.TryAdd(node, buffer))
        {
            // It has the same bits.
            _buffers.Return(buffer);
        }
    }

    private void ReturnOpen()
    {
        foreach (var buffer in _open.Values)
        {
            _buffers.Return(buffer);
        }

        _open.Clear();
    }
}
