using System.Text.Json;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>A run that goes on after an earlier sitting tells the same as one that was never interrupted.</summary>
public sealed class ResumedProgressTests : IDisposable
{
    private static readonly RunId Run = new("run");
    private readonly TemporaryFolder _temporary = new();
    private readonly TrainingPlan _plan = new TestExperiment
    {
        Split = "{ validation: 0.2 }",
        Training = "{ epochs: 3, batch-size: 31, shards: 4, early-stopping: { patience: 9 } }",
    }.Plan();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Steps_that_are_told_again_are_written_once()
    {
        using var folder = RunFolder.Create(Place("run"), "name: test");
        var progress = new RunProgress(_plan, folder, At(0));
        progress.StepsApplied(Steps(0, 4), At(1));
        var (step, loss) = (progress.Step, progress.Loss);
        progress.StepsApplied(Steps(0, 3), At(2));
        Assert.Equal((step, loss), (progress.Step, progress.Loss));
        progress.StepsApplied(Steps(2, 6), At(3));
        progress.Evaluated(Evaluation(4));
        progress.Evaluated(Evaluation(4));
        Assert.Equal(["1", "2", "3", "4", "5", "6", "at 4"], Lines(folder));
        Assert.Equal((6L, 4L), progress.Known);
    }

    [Fact]
    public void A_resumed_run_comes_to_the_same_result_from_wherever_it_goes_on()
    {
        var expected = Whole(Place("whole"));
        for (var at = 1; at < _plan.TotalSteps; at++)
        {
            // It had come further than its checkpoint, by a step or two and their evaluations, and the last line was cut off.
            ProgressMemory memory;
            var until = Math.Min(at + 2, _plan.TotalSteps);
            using (var folder = RunFolder.Create(Place($"at-{at}"), "name: test"))
            {
                var first = new RunProgress(_plan, folder, At(0));
                first.Resume(0, null, []);
                Train(first, 0, at);
                memory = first.Memory(At(10));
                Train(first, at, until);
            }

            File.AppendAllText(Path.Combine(Place($"at-{at}"), "metrics.jsonl"), "{\"step\":");
            memory = JsonSerializer.Deserialize<ProgressMemory>(JsonSerializer.Serialize(memory))!;
            using var again = RunFolder.GoOn(Place($"at-{at}"), "name: test", at, out var lines);
            var resumed = new RunProgress(_plan, again, At(1000));
            resumed.Resume(at, memory, lines);
            Assert.Equal((at, at / _plan.Schedule.StepsPerEpoch), (resumed.Step, resumed.Epoch));
            Train(resumed, at, _plan.TotalSteps);
            Assert.Equal(expected.Lines, Lines(again));
            var result = JsonDocument.Parse(again.Result(resumed.Result("abc", At(1005)))).RootElement;
            Assert.Equal(expected.Result, result.GetProperty("metrics").GetRawText());
            Assert.Equal(expected.Best, result.GetProperty("bestStep").GetInt64());
            Assert.Equal(15, result.GetProperty("seconds").GetDouble());
        }
    }

    [Fact]
    public void A_coordinator_that_begins_anew_knows_what_was_written_down()
    {
        var expected = Whole(Place("whole"));
        for (var at = 1; at < _plan.TotalSteps; at++)
        {
            using (var folder = RunFolder.Create(Place($"at-{at}"), "name: test"))
            {
                var first = new RunProgress(_plan, folder, At(0));
                first.Resume(0, null, []);
                Train(first, 0, at);
            }

            using var again = RunFolder.GoOn(Place($"at-{at}"), "name: test", null, out var lines);
            var resumed = new RunProgress(_plan, again, At(1000));
            resumed.Resume(0, again.Memory, lines);
            Assert.Equal(at, resumed.Step);

            // What was told last is told again.
            resumed.StepsApplied(Steps(at - 1, at), At(1001));
            Train(resumed, at, _plan.TotalSteps);
            Assert.Equal(expected.Lines, Lines(again));
            Assert.Equal(expected.Result, JsonDocument.Parse(again.Result(resumed.Result("abc", At(1005)))).RootElement.GetProperty("metrics").GetRawText());
        }
    }

    [Fact]
    public void What_another_course_left_in_the_folder_is_not_remembered()
    {
        using (var folder = RunFolder.Create(Place("run"), "name: test"))
        {
            var first = new RunProgress(_plan, folder, At(0));
            Train(first, 0, 8);
            Assert.NotNull(folder.Memory?.Last);
        }

        using var again = RunFolder.GoOn(Place("run"), "name: test", 3, out var lines);
        var memory = new ProgressMemory(7, [new Recovery(2, "w0 died", 0.5)], null, null);
        new RunProgress(_plan, again, At(0)).Resume(3, memory, lines);
        Assert.Equal((7.0, null, null), (again.Memory!.Seconds, again.Memory.Last, again.Memory.Best));
        Assert.Equal(memory.Recoveries, again.Memory.Recoveries);
    }

    [Fact]
    public void What_is_remembered_holds_the_seconds_and_the_recoveries_so_far()
    {
        using var folder = RunFolder.Create(Place("run"), "name: test");
        var progress = new RunProgress(_plan, folder, At(10));
        progress.Failed("w0 died", At(11));
        progress.GoingOnFrom(0, At(12));
        progress.StepsApplied(Steps(0, 4), At(15));
        progress.Evaluated(Evaluation(4));
        Assert.Equal(5, folder.Memory!.Seconds);
        Assert.Equal(new Recovery(0, "w0 died", 4), Assert.Single(folder.Memory.Recoveries));
        Assert.Equal(4, folder.Memory.Last!.Version);
    }

    [Fact]
    public void A_recovery_says_how_many_steps_were_repeated()
    {
        using var folder = RunFolder.Create(Place("run"), "name: test");
        var progress = new RunProgress(_plan, folder, At(0));
        progress.StepsApplied(Steps(0, 6), At(1));
        progress.Failed("s0 died", At(2));
        progress.GoingOnFrom(2, At(3));
        progress.StepsApplied(Steps(2, 4), At(4));
        Assert.Equal(new Recovery(2, "s0 died", 2, 4), Assert.Single(progress.Recoveries));
        Assert.Equal(6, progress.Step);
        progress.StepsApplied(Steps(4, 8), At(5));
        Assert.Equal(["1", "2", "3", "4", "5", "6", "7", "8"], Lines(folder));

        // A worker that dies costs none.
        progress.Failed("w0 died", At(6));
        progress.GoingOnFrom(8, At(6));
        progress.StepsApplied(Steps(8, 9), At(7));
        Assert.Equal(new Recovery(8, "w0 died", 1), progress.Recoveries[1]);
    }

    [Fact]
    public void A_run_that_is_stopped_after_it_went_back_ends_where_it_stands()
    {
        using var folder = RunFolder.Create(Place("run"), "name: test");
        var progress = new RunProgress(_plan, folder, At(0));
        progress.StepsApplied(Steps(0, 6), At(1));
        progress.StoppedAt(3);
        Assert.Equal((3L, 3L), (progress.Step, progress.KeptVersion));
        Assert.Equal(3, JsonDocument.Parse(folder.Result(progress.Result("abc", At(4)))).RootElement.GetProperty("steps").GetInt64());
    }

    private (string[] Lines, string Result, long Best) Whole(string place)
    {
        using var folder = RunFolder.Create(place, "name: test");
        var progress = new RunProgress(_plan, folder, At(0));
        Train(progress, 0, _plan.TotalSteps);
        var result = JsonDocument.Parse(folder.Result(progress.Result("abc", At(4)))).RootElement;
        return (Lines(folder), result.GetProperty("metrics").GetRawText(), result.GetProperty("bestStep").GetInt64());
    }

    /// <summary>Steps one by one; the version that one goes on from is evaluated again.</summary>
    private void Train(RunProgress progress, long from, long until)
    {
        for (var step = from; step < until; step++)
        {
            if (step > 0 && step % _plan.Schedule.StepsPerEpoch == 0)
            {
                progress.Evaluated(Evaluation(step));
            }

            progress.StepsApplied(Steps(step, step + 1), At(2));
        }

        if (until == _plan.TotalSteps)
        {
            progress.Evaluated(Evaluation(until));
        }
    }

    private Partitions.Evaluated Evaluation(long version)
    {
        // The first is the best.
        var rows = _plan.Data.Validation.Rows;
        return new(Run, new StepId(version), new SetSums(rows / 3.0 * version, 5, rows), new SetSums(0, 0, 0), [], new StepId(_plan.Schedule.StepsPerEpoch), version == _plan.TotalSteps);
    }

    private Partitions.StepsApplied Steps(long from, long until)
    {
        var steps = Enumerable.Range((int)from, (int)(until - from)).ToArray();
        return new(Run, new StepId(from), [.. steps.Select(static step => 30.0 / (step + 7))], [.. steps.Select(step => _plan.RowsIn(step))], [.. steps.Select(static _ => 0.5)], [.. steps.Select(static step => step * 1000L)], 1);
    }

    private string Place(string name) => Path.Combine(_temporary.Path, name);

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>Steps and evaluations in the order of the file.</summary>
    private static string[] Lines(RunFolder folder)
    {
        folder.FlushMetrics();
        using var reader = new StreamReader(new FileStream(Path.Combine(folder.FullPath, "metrics.jsonl"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return [.. MetricLine.Read(reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries), null).Select(static line => line.Loss is null ? $"at {line.Step}" : $"{line.Step}")];
    }
}
