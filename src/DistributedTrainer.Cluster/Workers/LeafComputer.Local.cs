using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Shards that take steps by themselves: each thread computes one after the other.</summary>
internal sealed partial class LeafComputer
{
    private int ComputeApart(long version)
    {
        var rows = 0;
        _passes[0].Local!.BeginRound();
        _gathersSums = _passes.Length > 1 && _pool.Codec is null && Nodes.Count == 0;
        _work = version;
        while (HasMore())
        {
            Choose(version);
            for (var p = 0; p < _active; p++)
            {
                if (_passes[p].Apart >= 0)
                {
                    _passes[p].Result = _pool.Rent();
                }
            }

            Begin(_computeApart);
            _team.End();
            rows += OfferApart();
        }

        _gathersSums = false;
        return rows;
    }

    private int OfferApart()
    {
        var rows = 0;
        _pairs.Clear();
        for (var p = 0; p < _active; p++)
        {
            if (_passes[p] is { Apart: >= 0 and var shard, Result: var result })
            {
                _computed[shard] = true;
                _nodes.Offer(TreeNode.OfLeaf(shard), result);
                rows += result.Rows;
            }
        }

        _summedFrom = _width;
        Sum(0, alone: false);
        return rows;
    }
}
