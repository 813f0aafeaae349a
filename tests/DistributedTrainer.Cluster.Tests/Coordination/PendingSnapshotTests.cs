using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class PendingSnapshotTests
{
    private static readonly Judgement Judged = new(0.5, 0, 0, 0, 0.5, 4, 0);
    private readonly PendingSnapshot _snapshot = new(7, 3, TimeSpan.Zero);
    private int _asked;

    [Fact]
    public void It_is_complete_when_all_partitions_have_answered_and_holds_what_the_lead_partition_said()
    {
        Add(2, 99);
        Add(1, 99);
        Add(1, 99);
        Assert.False(_snapshot.IsComplete);
        Assert.Equal(0, _asked);
        Add(0, 42, Judged);
        Assert.True(_snapshot.IsComplete);
        Assert.Equal((42L, Judged, 1), (_snapshot.Verdict, _snapshot.Judgement, _asked));
    }

    [Fact]
    public void The_course_of_the_run_is_that_of_the_first_time_it_was_told()
    {
        Add(0, 42, Judged);
        Add(0, 42, Judged);
        Assert.Equal(1, _asked);
        Assert.Equal(1, _snapshot.Progress!.Seconds);
        Assert.False(_snapshot.IsComplete);
    }

    [Fact]
    public void It_is_held_in_the_generation_in_which_the_lead_partition_stands_still_at_it()
    {
        Add(1, 0, null, held: true, generation: 3);
        Assert.Equal((true, default), (_snapshot.IsHeld, _snapshot.HeldIn));
        Add(0, 0, Judged, held: true, generation: 0);
        Assert.Equal(default, _snapshot.HeldIn);
        Add(0, 0, Judged, held: true, generation: 4);
        Assert.Equal(new Generation(4), _snapshot.HeldIn);

        // It was fenced, and tells it again.
        Add(0, 0, Judged, held: false, generation: 5);
        Assert.Equal((true, default), (_snapshot.IsHeld, _snapshot.HeldIn));
    }

    private void Add(int partition, long verdict, Judgement? judgement = null, bool held = false, long generation = 0) => _snapshot.Add(
        new Partitions.SnapshotTaken(new RunId("run"), new PartitionId(partition), new StepId(7), verdict, judgement, held), () => new ProgressMemory(++_asked, [], null, null), new Generation(generation));
}
