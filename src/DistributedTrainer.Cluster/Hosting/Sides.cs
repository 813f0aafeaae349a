namespace DistributedTrainer.Cluster.Hosting;

/// <summary>What counts of a member when others cannot be reached.</summary>
/// <param name="Roles">Any of coordinator, server, worker; none: it submits.</param>
/// <param name="Unreachable">Whether this node does not reach it.</param>
/// <param name="HeardOf">Whether it is known by way of others to be alive, and in this cluster.</param>
internal readonly record struct SideMember(IReadOnlyCollection<string> Roles, bool Unreachable = false, bool HeardOf = false);

/// <summary>What a node does about those that it does not reach.</summary>
internal enum SideVerdict
{
    /// <summary>Nothing: somebody else decides, or it heals.</summary>
    Wait,

    /// <summary>They are taken out of the cluster.</summary>
    TakeOut,

    /// <summary>This node is taken out: the others go on.</summary>
    Leave,
}

/// <summary>Of two sides that do not reach each other, exactly one goes on. All nodes come to the same answer without a word.</summary>
internal static class Sides
{
    /// <summary>
    /// The side that can train goes on; of two that can, or two that cannot, the one with the oldest coordinator. So a
    /// coordinator that was cut off alone gives way to those who train on without it, and finds the run again later.
    /// </summary>
    /// <param name="members">All, oldest first.</param>
    /// <param name="self">This node's place among them.</param>
    /// <param name="isLong">Whether it has been so for long.</param>
    public static SideVerdict Decide(IReadOnlyList<SideMember> members, int self, bool isLong)
    {
        var oldest = Math.Max(0, members.ToList().FindIndex(static member => member.Roles.Contains("coordinator")));
        if (members.Any(static member => member is { Unreachable: true, HeardOf: true }))
        {
            // No split: one line between two nodes is cut. Who cannot talk to the coordinator over it is of no use there.
            return isLong && members[oldest] is { Unreachable: true, HeardOf: true } ? SideVerdict.Leave : SideVerdict.Wait;
        }

        var here = members.Where(static member => !member.Unreachable).ToArray();
        var there = members.Where(static member => member.Unreachable).ToArray();
        if (there.Length == 0)
        {
            return SideVerdict.Wait;
        }

        var isHere = !members[oldest].Unreachable;
        if (Trains(here) != Trains(there) ? !Trains(here) : !isHere)
        {
            return SideVerdict.Leave;
        }

        // One decides for all, where there is one: not everybody's lines are cut at the same moment.
        return isHere && self != oldest ? SideVerdict.Wait : SideVerdict.TakeOut;
    }

    private static bool Trains(SideMember[] side) => Has(side, "server") && Has(side, "worker");

    private static bool Has(SideMember[] side, string role) => side.Any(member => member.Roles.Contains(role));
}
