using System.Text.Json;
using DistributedTrainer.Dashboard.Following;
using DistributedTrainer.Dashboard.Tests.Support;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>What is told of a run, and in which form.</summary>
public sealed class RunCourseTests
{
    [Fact]
    public void A_reader_gets_all_at_first_and_then_what_is_new()
    {
        using var run = new SampleRun();
        var (course, cursor) = (new RunCourse(run.Directory), new RunCursor());
        run.Step(1, 2.5);
        run.Evaluation(1, 3, 0.5);
        run.Cluster(1, 0, "worker-a");
        run.Weights(0);
        run.Append("log.txt", "2026-01-01T10:00:00+00:00 <b>run</b>");
        course.Refresh();
        var first = course.Take("digits-1", cursor);
        Assert.Equal([2.5], first.Metrics!.Loss);
        Assert.True(first.Metrics.Reset && first.Evaluations!.Reset && first.Cluster!.Reset && first.Weights!.Reset && first.Log!.Reset);
        Assert.Equal("running", first.State!.State);
        Assert.True(course.Take("digits-1", cursor).IsEmpty);

        run.Step(2, 2);
        course.Refresh();
        var next = course.Take("digits-1", cursor);
        Assert.Equal([2L], next.Metrics!.Step);
        Assert.Equal([2.0], next.Metrics.Loss);
        Assert.False(next.Metrics.Reset);
        Assert.Null(next.Evaluations);
        Assert.Null(next.State);
    }

    [Fact]
    public void The_form_of_an_update_is_the_one_that_the_page_reads()
    {
        using var run = new SampleRun();
        run.Step(1, 2.5);
        run.Append("log.txt", "</script><b>");
        var course = new RunCourse(run.Directory);
        course.Refresh();
        Assert.Equal(
            """{"run":"digits-1","state":{"state":"running","experiment":"name: digits\nseed: 42\n"},"metrics":{"reset":true,"step":[1],"epoch":[0.05],"loss":[2.5],"learningRate":[0.002],"rowsPerSecond":[9000],"seconds":[0.1]},"evaluations":{"reset":true,"items":[]},"cluster":{"reset":true,"items":[]},"weights":{"reset":true,"items":[]},"log":{"reset":true,"items":["\u003C/script\u003E\u003Cb\u003E"]}}""",
            JsonSerializer.Serialize(course.Take("digits-1", new RunCursor()), DashboardJson.Default.RunUpdate));
    }

    [Fact]
    public void A_run_that_goes_back_and_is_resumed_is_told_anew()
    {
        using var run = new SampleRun();
        var (course, cursor) = (new RunCourse(run.Directory), new RunCursor());
        Array.ForEach([1, 2, 3], step => run.Step(step, step));
        run.Write("ended.txt", "stopped at step 3\n");
        course.Refresh();
        Assert.Equal(("ended", "stopped at step 3"), (course.Take("r", cursor).State!.State, course.Take("r", new RunCursor()).State!.Ended));

        // As dtrain resume does: what follows the checkpoint is taken out, and comes again.
        File.Delete(run.In("ended.txt"));
        run.Write("metrics.jsonl", File.ReadAllLines(run.In("metrics.jsonl"))[0] + "\n");
        run.Step(2, 20);
        course.Refresh();
        var update = course.Take("r", cursor);
        Assert.Equal((true, "running"), (update.Metrics!.Reset, update.State!.State));
        Assert.Equal([1.0, 20.0], update.Metrics.Loss);
    }

    [Fact]
    public void What_is_no_number_or_no_line_harms_nothing()
    {
        using var run = new SampleRun();
        run.Append("metrics.jsonl", """{"step":1,"epoch":0.05,"loss":"NaN","learningRate":0.002,"rowsPerSecond":1,"seconds":0}""");
        run.Append("metrics.jsonl", """{"step":2,"epoch":0.1,"skipped":true,"learningRate":0.002,"rowsPerSecond":1,"seconds":0}""");
        run.Append("metrics.jsonl", "garbage");
        run.Append("metrics.jsonl", """{"step":"three","loss":[]}""");
        run.Append("metrics.jsonl", "[1,2]");
        run.Append("cluster.jsonl", "{");
        run.Step(3, 0.5);
        var course = new RunCourse(run.Directory);
        course.Refresh();
        var update = course.Take("r", new RunCursor());
        Assert.Equal([null, null, 0.5], update.Metrics!.Loss);
        Assert.Empty(update.Cluster!.Items);
    }

    [Fact]
    public void A_long_run_needs_bounded_memory_and_its_points_are_means()
    {
        var series = new MetricSeries(most: 8);
        var cursor = Cursor.Start;
        for (var step = 1; step <= 1000; step++)
        {
            series.Add(new MetricStep(step, step, step, 0.1, 1, step, null));
            cursor.Take(series);
            Assert.InRange(series.Count, 0, 8);
        }

        var points = series.From(0, reset: true);
        Assert.Equal(128, points.Step[1] - points.Step[0]);
        Assert.Equal(points.Step.Select(static last => last - 63.5), points.Loss.Select(static loss => Math.Round(loss!.Value, 6)));
        Assert.Equal(1000, series.Last!.Step);
    }

    [Fact]
    public void Of_many_lines_the_changes_stay()
    {
        var lines = new LineList<int>(100, static line => line % 50 == 0);
        for (var i = 0; i < 1000; i++)
        {
            lines.Add(i);
        }

        Assert.InRange(lines.Count, 1, 100);
        Assert.Equal(Enumerable.Range(0, 20).Select(static i => i * 50), lines.Items.Where(static line => line % 50 == 0));
        var many = new LineList<int>(100, static _ => true);
        for (var i = 0; i < 1000; i++)
        {
            many.Add(i);
        }

        Assert.InRange(many.Count, 50, 100);
        Assert.Equal(999, many.Items[^1]);
    }
}
