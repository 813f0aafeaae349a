using System.Text.Json;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class RunProgressTests : IDisposable
{
    private static readonly RunId Run = new("run");
    private readonly TemporaryFolder _temporary = new();
    private readonly TrainingPlan _plan = new TestExperiment { Training = "{ epochs: 2, batch-size: 40, shards: 4 }" }.Plan();
    private readonly RunFolder _folder;
    private readonly RunProgress _progress;

    public RunProgressTests()
    {
        _folder = RunFolder.Create(Path.Combine(_temporary.Path, "run"), "name: test");
        _progress = new RunProgress(_plan, _folder, At(0));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _temporary.Dispose();
    }

    [Fact]
    public void Steps_move_epoch_and_loss_on()
    {
        _progress.StepsApplied(Steps(0, (80, 40), (20, 40)), At(1));
        Assert.Equal((2L, 0L, 2L, 0.5), (_progress.Step, _progress.Epoch, _progress.Epochs, _progress.Loss));
        _progress.StepsApplied(Steps(2, (20, 40), (30, 30)), At(2));
        Assert.Equal((4L, 1L, 1.0), (_progress.Step, _progress.Epoch, _progress.Loss));
    }

    [Fact]
    public void Speed_is_that_of_the_last_two_seconds()
    {
        _progress.StepsApplied(Steps(0, (1, 40)), At(0));
        Assert.Equal(0, _progress.RowsPerSecond(At(0)));
        _progress.StepsApplied(Steps(1, (1, 40)), At(1));
        Assert.Equal(40, _progress.RowsPerSecond(At(1)));
        for (var second = 2; second < 8; second++)
        {
            _progress.StepsApplied(Steps(2 * (second - 1), (1, 40), (1, 40)), At(second));
        }

        Assert.Equal(80, _progress.RowsPerSecond(At(7)));
    }

    [Fact]
    public void A_recovery_ends_with_the_first_step_that_is_applied_after_it()
    {
        _progress.Failed("w1 died", At(3));
        _progress.Failed("w2 died", At(3.5));

        // Steps from before the failure may be reported late: they are no sign that training goes on.
        _progress.StepsApplied(Steps(0, (1, 40)), At(3.6));
        Assert.Empty(_progress.Recoveries);
        _progress.GoingOnFrom(2, At(0));
        _progress.StepsApplied(Steps(1, (1, 40)), At(3.8));
        Assert.Empty(_progress.Recoveries);
        _progress.StepsApplied(Steps(2, (1, 40)), At(4));
        Assert.Equal(new Recovery(2, "w1 died", 1), Assert.Single(_progress.Recoveries));
        _progress.StepsApplied(Steps(3, (1, 30)), At(5));
        Assert.Single(_progress.Recoveries);
    }

    [Fact]
    public void A_failure_is_explained_before_and_after_its_recovery()
    {
        _progress.Failed("connection to w1/0 lost", At(3));
        _progress.Explain(new NodeId("w2"), "w2 died");
        _progress.Explain(new NodeId("w1"), "w1 died (signal 9)");
        _progress.GoingOnFrom(0, At(0));
        _progress.StepsApplied(Steps(0, (1, 40)), At(4));
        Assert.Equal(new Recovery(0, "w1 died (signal 9)", 1), Assert.Single(_progress.Recoveries));
        _progress.Explain(new NodeId("w1"), "w1 died (signal 15)");
        Assert.Equal("w1 died (signal 15)", Assert.Single(_progress.Recoveries).Cause);
    }

    [Fact]
    public void An_evaluation_finishes_the_run_only_at_the_last_version()
    {
        _progress.Evaluated(new Partitions.Evaluated(Run, new StepId(4), new SetSums(5, 8, 10), new SetSums(0, 0, 0), Units(3), new StepId(0), false));
        Assert.False(_progress.Finished);
        Assert.Equal((0.5, 0.8), (_progress.Mean(_progress.Validation), _progress.Accuracy(_progress.Validation)));
        Assert.Null(_progress.Test);
        _progress.Evaluated(new Partitions.Evaluated(Run, new StepId(8), new SetSums(5, 9, 10), new SetSums(4, 1, 2), Units(4), new StepId(8), true));
        Assert.True(_progress.Finished);
        Assert.Equal(2.0, _progress.Mean(_progress.Test));
    }

    [Fact]
    public void Metrics_hold_one_line_for_each_step_and_evaluation()
    {
        _progress.StepsApplied(Steps(0, (80, 40), (double.NaN, 40)), At(1));
        _progress.Evaluated(new Partitions.Evaluated(Run, new StepId(2), new SetSums(5, 8, 10), new SetSums(0, 0, 0), Units(3), new StepId(0), false));
        using var reader = new StreamReader(new FileStream(Path.Combine(_folder.FullPath, "metrics.jsonl"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal([1, 2, 2], lines.Select(static line => line.GetProperty("step").GetInt32()));
        Assert.Equal(2, lines[0].GetProperty("loss").GetDouble());
        Assert.Equal(0.25, lines[0].GetProperty("epoch").GetDouble());
        Assert.Equal([0, 0.00025], lines[..2].Select(static line => line.GetProperty("seconds").GetDouble()));
        Assert.Equal("NaN", lines[1].GetProperty("loss").GetString());
        Assert.Equal(0.8, lines[2].GetProperty("validationAccuracy").GetDouble());
        Assert.False(lines[2].TryGetProperty("testLoss", out _));
        Assert.False(lines[1].TryGetProperty("units", out _));
        Assert.Equal("""[{"layer":"1","function":"relu","units":8,"dead":3,"saturated":3},{"layer":"3","function":"tanh","units":5,"saturated":1}]""", lines[2].GetProperty("units").GetRawText());
    }

    [Fact]
    public void The_result_holds_the_units_of_the_version_that_is_kept()
    {
        using var folder = RunFolder.Create(Path.Combine(_temporary.Path, "stopped"), "name: test");
        var progress = new RunProgress(new TestExperiment { Split = "{ validation: 0.2 }", Training = "{ epochs: 9, batch-size: 40, shards: 4, early-stopping: { patience: 1 } }" }.Plan(), folder, At(0));
        progress.Evaluated(new Partitions.Evaluated(Run, new StepId(3), new SetSums(5, 8, 10), new SetSums(0, 0, 0), Units(2), new StepId(3), false));
        progress.Evaluated(new Partitions.Evaluated(Run, new StepId(6), new SetSums(6, 8, 10), new SetSums(0, 0, 0), Units(7), new StepId(3), true));
        using var result = JsonDocument.Parse(folder.Result(progress.Result("abc", At(4))));
        Assert.Equal(2, result.RootElement.GetProperty("units")[0].GetProperty("dead").GetInt32());
    }

    [Fact]
    public void Without_activation_layers_the_result_holds_no_units()
    {
        _progress.Evaluated(new Partitions.Evaluated(Run, new StepId(8), new SetSums(5, 9, 10), new SetSums(4, 1, 2), [], new StepId(8), true));
        using var result = JsonDocument.Parse(_folder.Result(_progress.Result("abc", At(4))));
        Assert.False(result.RootElement.TryGetProperty("units", out _));
    }

    [Fact]
    public void The_result_holds_the_last_epochs_training_loss()
    {
        _progress.GoingOnFrom(0, At(1));
        _progress.StepsApplied(Steps(0, (40, 40), (40, 40), (40, 40), (30, 30), (20, 40), (20, 40), (20, 40), (15, 30)), At(2));
        using var result = JsonDocument.Parse(_folder.Result(_progress.Result("abc", At(4))));
        var root = result.RootElement;
        Assert.Equal("abc", root.GetProperty("parametersSha256").GetString());
        Assert.Equal(8, root.GetProperty("steps").GetInt32());
        Assert.Equal(2, root.GetProperty("epochs").GetDouble());
        Assert.Equal(0.5, root.GetProperty("metrics").GetProperty("trainLoss").GetDouble());
        Assert.Equal(4, root.GetProperty("seconds").GetDouble());
        // 300 rows from the first assignment at second 1 to the last step at second 2.
        Assert.Equal(300, root.GetProperty("rowsPerSecond").GetDouble());
        Assert.Empty(root.GetProperty("recoveries").EnumerateArray());
    }

    private static LayerUnits[] Units(int dead) => [new("1", "relu", 8, dead, dead), new("3", "tanh", 5, null, 1)];

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Partitions.StepsApplied Steps(long first, params (double Loss, int Rows)[] steps) =>
        new(Run, new StepId(first), [.. steps.Select(static step => step.Loss)], [.. steps.Select(static step => step.Rows)], [.. steps.Select(static _ => 0.5)], [.. steps.Select((_, i) => 5_000_000 + (250 * (first + i)))], 1000);
}
