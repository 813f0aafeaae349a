using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>What is told of steps that are not finite.</summary>
public sealed class NonFiniteStepsTests
{
    private readonly NonFiniteSteps _steps = new();

    [Fact]
    public void The_cause_is_what_came_first_in_the_pass_whoever_tells_it_first()
    {
        _steps.Found(Found(7, shard: 0, order: 9, "the loss is NaN"));
        _steps.Found(Found(7, shard: 3, order: 2, "the output of layer 0 is infinite"));
        _steps.Found(Found(7, shard: 1, order: 2, "the output of layer 0 is NaN"));
        _steps.Found(Found(8, shard: 0, order: 0, "the parameter 0.weight is NaN"));
        Assert.Equal("in shard 1, computed by w1/0, the output of layer 0 is NaN", _steps.CauseOf(7));
        Assert.Equal("its loss or gradient is not finite", _steps.CauseOf(6));
    }

    [Fact]
    public void Steps_that_were_taken_together_are_told_together()
    {
        var steps = new NonFiniteSteps(static version => version + 4);
        steps.Found(Found(8, shard: 2, order: 3, "the loss is NaN at step 11"));
        steps.Skipped(8, At(0));
        Assert.Equal(["Steps 9 to 12 were skipped: in shard 2, computed by w2/0, the loss is NaN at step 11."], steps.News(At(1)));
        steps.Stop(8, At(1));
        Assert.StartsWith(
            "what steps 9 to 12 lead to is not finite: in shard 2, computed by w2/0, the loss is NaN at step 11. Nothing of them was applied. model.safetensors holds the parameters after step 8. ",
            steps.StopText("runs/x", model: true, checkpoint: null), StringComparison.Ordinal);
    }

    [Fact]
    public void The_end_waits_a_moment_for_other_workers_and_not_for_ever_for_any()
    {
        Assert.False(_steps.IsStopDue(At(0)));
        _steps.Stop(7, At(1));
        _steps.Stop(7, At(2.9));
        Assert.False(_steps.IsStopDue(At(2.9)));
        Assert.True(_steps.IsStopDue(At(3.1)));
        _steps.Found(Found(7, 0, 5, "the loss is NaN"));
        Assert.False(_steps.IsStopDue(At(1.2)));
        Assert.True(_steps.IsStopDue(At(1.4)));
        _steps.GoBack();
        Assert.False(_steps.IsStopDue(At(9)));
        Assert.Null(_steps.StopsAt);
    }

    [Fact]
    public void Skipped_steps_are_told_one_by_one_and_then_by_their_number()
    {
        for (var step = 0; step < 250; step++)
        {
            _steps.Skipped(step, At(0));
        }

        _steps.Found(Found(0, 2, 5, "the loss is NaN"));
        Assert.Equal(["Step 1 was skipped: in shard 2, computed by w2/0, the loss is NaN."], _steps.News(At(1)));
        Assert.Equal(["Step 2", "Step 3", "Step 4", "Step 5", "10 steps", "100 steps"], _steps.News(At(3)).Select(static text => text[..text.IndexOf(" w", StringComparison.Ordinal)]));
        Assert.Empty(_steps.News(At(9)));
    }

    [Fact]
    public void The_end_says_what_there_is_and_how_to_go_on()
    {
        _steps.Stop(7, At(0));
        _steps.Found(Found(7, 2, 5, "the loss is NaN"));
        var text = _steps.StopText("/runs/a", model: true, checkpoint: 7);
        Assert.Equal(
            "step 8 is not finite: in shard 2, computed by w2/0, the loss is NaN. Nothing of it was applied. model.safetensors holds the parameters after step 7. "
            + "The last good checkpoint is of step 7: dtrain resume /runs/a --set training.non-finite=skip goes on from it and leaves such steps out. "
            + $"Lower optimizer.learning-rate, or look at the data for extreme values; a new run with model.from: {Path.Combine("/runs/a", "model.safetensors")} begins with these parameters.",
            text);
        Assert.DoesNotContain("model.from", _steps.StopText("/runs/a", model: false, checkpoint: 3), StringComparison.Ordinal);
        Assert.DoesNotContain("resume", _steps.StopText("/runs/a", model: false, checkpoint: null), StringComparison.Ordinal);
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Protocol.Workers.NotFinite Found(long step, int shard, int order, string where) =>
        new(new RunId("r"), new WorkerId($"w{shard}/0"), new StepId(step), shard, order, where);
}
