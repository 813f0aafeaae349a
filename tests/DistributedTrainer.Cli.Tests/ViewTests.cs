using DistributedTrainer.Cli.Views;
using DistributedTrainer.Protocol;
using Spectre.Console;

namespace DistributedTrainer.Cli.Tests;

public sealed class ViewTests
{
    private static readonly Submissions.View Middle = new(
        new RunId("1"), "training", 400, 800, 20, 40, 0.12345, 0.2, 0.975, 12345.6, 40, 10,
        [
            new("coordinator", "coordinator", "127.0.0.1", 1, "training", [], 0, "127.0.0.1:1", [], null),
            new("server-1", "server", "127.0.0.1", 2, "serving", [0, 1], 0, "127.0.0.1:2", [], null),
            new("worker-1/0", "worker", "127.0.0.1", 3, "training", [0, 1], 6000, "127.0.0.1:3", [], null),
            new("worker-2/0", "worker", "127.0.0.1", 4, "standby", [], 0, "127.0.0.1:4", [], null),
        ]);

    [Fact]
    public void A_line_holds_step_epoch_loss_accuracy_speed_and_the_workers_that_work() =>
        Assert.Equal("training  step 400/800  epoch 20/40  loss 0.1235  validation 97.5%  12,346 rows/s  workers 1", Texts.Line(Middle));

    [Fact]
    public void Before_the_first_step_there_is_no_loss_and_no_time_left()
    {
        var start = Middle with { Step = 0, StepsPerSecond = 0, Loss = double.NaN, ValidationAccuracy = null };
        Assert.Contains("loss -  12,346", Texts.Line(start), StringComparison.Ordinal);
        Assert.Equal("", Texts.TimeLeft(start));
    }

    [Theory]
    [InlineData(40, "10 s left")]
    [InlineData(4, "1 min 40 s left")]
    public void Time_left_follows_from_the_speed_of_the_last_seconds(double stepsPerSecond, string expected) =>
        Assert.Equal(expected, Texts.TimeLeft(Middle with { StepsPerSecond = stepsPerSecond }));

    [Fact]
    public void The_live_picture_shows_progress_losses_every_node_with_its_shards_and_the_notices()
    {
        var course = new RunCourse();
        for (var i = 0; i <= 4; i++)
        {
            course.Heard(Middle with { Step = 360 + (i * 10), Loss = Math.Pow(10, -i), ValidationLoss = i < 2 ? null : 3 - i });
        }

        var text = Draw(course, ["worker-3 died: its shards move."]);
        foreach (var expected in (string[])
        [
            $"training {new string('#', 30)}{new string('.', 30)}",
            " 50%  step 400 of 800, epoch 20 of 40  10 s left", "loss       0.0001  %*+-_", "validation -1.0000  %+_  97.5%", "12,346 rows/s, workers 1",
            "coordinator", "server-1", "serving", "worker-1/0", "6,000", "standby", "its shards move",
        ])
        {
            Assert.Contains(expected, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_live_table_says_what_the_last_second_of_a_worker_was_spent_on()
    {
        Submissions.View With(StepCosts? costs) => Middle with { Nodes = [Middle.Nodes[2] with { Costs = costs }] };
        var course = new RunCourse();
        course.Heard(With(null));
        course.Heard(With(new StepCosts(10, 5_000_000, 0, 0, 0, 0, 0)));
        Assert.DoesNotContain("%", Draw(course, []).Split("rows/s,")[1], StringComparison.Ordinal);
        course.Heard(With(new StepCosts(20, 5_600_000, 100_000, 250_000, 40_000, 0, 0)));
        Assert.DoesNotContain("%", Draw(course, []).Split("rows/s,")[1], StringComparison.Ordinal);
        course.Heard(With(new StepCosts(21, 5_600_000, 100_000, 260_000, 40_000, 0, 0)));
        Assert.Matches(@"60 % . +10 % . +26 % . +4 % ", Draw(course, [], width: 130));

        // The process began anew.
        course.Heard(With(new StepCosts(1, 9, 9, 9, 9, 0, 0)));
        Assert.Matches(@"60 % . +10 % . +26 % . +4 % ", Draw(course, [], width: 130));
    }

    [Theory]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(80)]
    [InlineData(90)]
    [InlineData(100)]
    [InlineData(124)]
    [InlineData(200)]
    public void The_live_picture_fits_the_terminal(int width)
    {
        var course = new RunCourse();
        var nodes = Enumerable.Range(0, 40).Select(static i => Middle.Nodes[2] with { Node = $"worker-36237-31886/{i}", Shards = [.. Enumerable.Range(i, 20)], Costs = new StepCosts(0, 0, 0, 0, 0, 0, 0) });
        course.Heard(Middle with { Nodes = [.. nodes] });
        course.Heard(Middle with { Step = 500, Nodes = [.. nodes.Select(static node => node with { Costs = new StepCosts(9, 500_000, 200_000, 200_000, 200_000, 0, 0) })] });
        var lines = Draw(course, ["one", "two"], width, 24).Split('\n');
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
        if (width >= 80)
        {
            Assert.Contains(lines, static line => line.Contains("worker-36237-31886/0", StringComparison.Ordinal) && line.Contains("0-19", StringComparison.Ordinal));
            Assert.InRange(lines.Length, 20, 24);
            Assert.Contains(lines, static line => line.StartsWith("and 28 more nodes", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(new int[0], "")]
    [InlineData(new[] { 3 }, "3")]
    [InlineData(new[] { 3, 4, 6 }, "3 4 6")]
    [InlineData(new[] { 0, 1, 2, 4, 7, 8, 9 }, "0-2 4 7-9")]
    public void Numbers_in_a_row_are_named_by_their_ends(int[] numbers, string expected) => Assert.Equal(expected, Texts.Numbers(numbers));

    [Fact]
    public void Brackets_in_texts_are_no_markup()
    {
        var course = new RunCourse();
        course.Heard(Middle);
        Assert.Contains("[red]", Draw(course, ["an error in [red]"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Asked_for_quiet_or_lines_or_json_nothing_is_drawn()
    {
        Assert.IsType<QuietView>(new ViewOptions(Json: false, Plain: false, Quiet: true).Create());
        Assert.IsType<QuietView>(new ViewOptions(Json: true, Plain: false, Quiet: true).Create());
        using var plain = new ViewOptions(Json: false, Plain: true, Quiet: false).Create();
        using var json = new ViewOptions(Json: true, Plain: false, Quiet: false).Create();
        Assert.IsType<PlainView>(plain);
        Assert.IsType<PlainView>(json);
    }

    [Fact]
    public void Plain_lines_come_at_most_once_a_second_and_only_when_the_step_changed()
    {
        var (output, time) = (new StringWriter(), new ManualTime());
        using var view = new PlainView(output, time);
        view.Show(Middle);
        view.Show(Middle with { Step = 401 });
        time.Advance(TimeSpan.FromSeconds(1));
        view.Show(Middle);
        view.Show(Middle with { Step = 402 });
        view.Notice("something happened");
        var lines = output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        Assert.Contains("step 400/800", lines[0], StringComparison.Ordinal);
        Assert.Contains("step 402/800", lines[1], StringComparison.Ordinal);
        Assert.Equal("something happened", lines[2]);
    }

    [Fact]
    public void The_summary_shows_metrics_recoveries_and_the_hash()
    {
        var rows = Summary.Rows("""
            {"experiment":"digits","seed":42,"steps":800,"epochs":40,"parametersSha256":"abc","metrics":{"trainLoss":0.5,"testAccuracy":0.9916},
             "rowsPerSecond":9226,"seconds":5.454,"recoveries":[{"step":91,"cause":"worker-1 died","seconds":0.121}]}
            """);
        Assert.Contains(("test accuracy", "99.16%"), rows);
        Assert.Contains(("training loss", "0.5000"), rows);
        Assert.Contains(("recovered", "step 91 in 0.12 s: worker-1 died"), rows);
        Assert.Contains(("parameters", "abc"), rows);
        Assert.DoesNotContain(rows, static row => row.Name == "validation loss");
    }

    [Theory]
    [InlineData("\"validationLoss\":0.25,", "the whole validation set")]
    [InlineData("", "the whole test set")]
    public void The_summary_warns_of_dead_units_and_says_what_to_do(string validation, string set)
    {
        var rows = Summary.Rows($$"""
            {"experiment":"digits","steps":800,"epochs":40,"parametersSha256":"abc","metrics":{ {{validation}} "testLoss":0.5},"rowsPerSecond":9226,"seconds":5.454,"recoveries":[],
             "units":[{"layer":"1","function":"relu","units":64,"dead":0,"saturated":0},{"layer":"3","function":"relu","units":128,"dead":37,"saturated":37},{"layer":"5","function":"tanh","units":9,"saturated":9}]}
            """);
        Assert.Equal(
            $"layer 3 relu: 37 of 128 units were 0 on {set}. Lower optimizer.learning-rate, put batch-norm before the layer, or write leaky-relu.",
            Assert.Single(rows, static row => row.Name == "dead units").Value);
    }

    private static string Draw(RunCourse course, string[] notices, int width = 120, int height = 50)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(new StringWriter()) });
        console.Profile.Width = width;
        console.Write(LivePicture.Of(course, notices, width, height, unicode: false));
        return console.Profile.Out.Writer.ToString()!;
    }
}
