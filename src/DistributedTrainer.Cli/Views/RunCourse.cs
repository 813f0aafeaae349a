using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

/// <summary>What a live view shows beside the last state: how the run came there.</summary>
internal sealed class RunCourse
{
    private readonly Dictionary<string, NodeShares> _nodes = [];
    private long _step;

    /// <summary>How the run stands; null: it has not been heard of.</summary>
    public Submissions.View? Now { get; private set; }

    public Curve Loss { get; } = new();

    public Curve ValidationLoss { get; } = new();

    /// <summary>The run tells how it stands.</summary>
    public void Heard(Submissions.View view)
    {
        Now = view;
        foreach (var node in view.Nodes)
        {
            SharesOf(node).Heard(node.Costs);
        }

        // Steps that are taken again have the loss that they had.
        if (view.Step > _step)
        {
            _step = view.Step;
            Loss.Add(view.Loss);
            ValidationLoss.Add(view.ValidationLoss ?? double.NaN);
        }
    }

    /// <summary>What the node's time was spent on lately.</summary>
    public NodeShares SharesOf(Submissions.NodeView node)
    {
        // A server and a worker of one node are two.
        var key = $"{node.Role} {node.Node}";
        return _nodes.TryGetValue(key, out var shares) ? shares : _nodes[key] = new NodeShares();
    }
}
