using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class UpdatePolicyTests
{
    [Theory]
    [InlineData(TrainingMode.Sync, 0, true, 7)]
    [InlineData(TrainingMode.Stale, 0, false, 7)]
    [InlineData(TrainingMode.Stale, 3, false, 10)]
    [InlineData(TrainingMode.Async, 0, false, long.MaxValue)]
    public void Each_mode_says_how_far_a_worker_may_go(TrainingMode mode, int staleness, bool waits, long furthest)
    {
        var policy = UpdatePolicy.Of(new TrainingOptions { Mode = mode, Staleness = staleness });
        Assert.Equal(waits, policy.WaitsForAll);
        Assert.True(policy.MayBegin(furthest, slowest: 7));
        Assert.Equal(mode == TrainingMode.Async, policy.MayBegin(furthest == long.MaxValue ? furthest : furthest + 1, slowest: 7));
    }
}
