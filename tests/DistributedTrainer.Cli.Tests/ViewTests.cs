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
    public void The_live_table_shows_every_node_with_its_shards_and_the_notices()
    {
        var text = Draw(Middle, ["worker-3 died: its shards move."]);
        Assert.Contains("[####################....................]", text, StringComparison.Ordinal);
        foreach (var expected in (string[])["coordinator", "server-1", "serving", "worker-1/0", "6,000", "standby", "its shards move"])
        {
            Assert.Contains(expected, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Brackets_in_texts_are_no_markup() =>
        Assert.Contains("[red]", Draw(Middle, ["an error in [red]"]), StringComparison.Ordinal);

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

    private static string Draw(Submissions.View view, string[] notices)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(new StringWriter()) });
        console.Profile.Width = 120;
        console.Write(LiveView.Render(view, notices));
        return console.Profile.Out.Writer.ToString()!;
    }
}
