using DistributedTrainer.Protocol;

namespace DistributedTrainer;

/// <summary>Who came and who went, from one view of a cluster to the next.</summary>
internal sealed class NodeWatch
{
    private static readonly string[] Gone = ["unfit", "cut off"];

    private Dictionary<string, string>? _known;

    /// <summary>What is different from the view before. Whoever is there at the first step has not come.</summary>
    public IReadOnlyList<NodeChanged> Changes(Submissions.View view)
    {
        var now = view.Nodes.Where(static node => node.Role is "server" or "worker" && !Gone.Contains(node.State)).ToDictionary(static node => node.Node, static node => node.Role);
        if (_known is not { } before)
        {
            // Before the first step nodes are still being gathered.
            _known = view.Step > 0 ? now : null;
            return [];
        }

        _known = now;
        return
        [
            .. before.Where(node => !now.ContainsKey(node.Key)).Select(static node => new NodeChanged(node.Key, node.Value, NodeChange.Lost)),
            .. now.Where(node => !before.ContainsKey(node.Key)).Select(static node => new NodeChanged(node.Key, node.Value, NodeChange.Joined)),
        ];
    }
}
