using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class PendingMoveTests
{
    private static readonly WorkerId First = new("w0/0");
    private static readonly WorkerId Second = new("w1/0");
    private readonly PendingMove _move = new(new Dictionary<WorkerId, int[]> { [First] = [1, 2], [Second] = [5] }, forSpeed: false, TimeSpan.FromMinutes(3));

    [Fact]
    public void It_is_ready_when_every_worker_has_all_of_its_rows()
    {
        _move.Brought(Second, [5]);
        _move.Brought(First, [1]);
        Assert.False(_move.IsReady);
        Assert.Equal([2], _move.Missing[First]);
        Assert.False(_move.Missing.ContainsKey(Second));
        _move.Brought(First, [2]);
        Assert.True(_move.IsReady);
    }

    [Fact]
    public void What_was_not_asked_for_or_is_told_again_counts_for_nothing()
    {
        _move.Brought(Second, [1, 2]);
        _move.Brought(new WorkerId("w2/0"), [1, 2, 5]);
        _move.Brought(First, []);
        Assert.Equal([1, 2], _move.Missing[First]);
        Assert.Equal([5], _move.Missing[Second]);
        _move.Brought(First, [0, 1, 2]);
        _move.Brought(First, [0, 1, 2]);
        Assert.Equal([Second], _move.Missing.Keys);
    }

    [Fact]
    public void It_is_waited_for_for_ten_minutes()
    {
        Assert.False(_move.IsOverdue(TimeSpan.FromMinutes(13)));
        Assert.True(_move.IsOverdue(TimeSpan.FromMinutes(13) + TimeSpan.FromTicks(1)));
    }
}
