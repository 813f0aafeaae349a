using System.Text.Json;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Tests;

public sealed class ComparisonPlotTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_evaluation_has_the_time_of_the_step_before_it()
    {
        JsonElement[] lines =
        [
            Line("""{"step":1,"loss":2.5,"seconds":0}"""), Line("""{"step":2,"loss":1.5,"seconds":0.25}"""), Line("""{"step":2,"validationAccuracy":0.75}"""),
            Line("""{"step":3,"loss":"NaN","seconds":0.5}"""), Line("""{"step":3,"validationAccuracy":0.875}"""),
        ];
        Assert.Equal([(2, 0.25, 0.75), (3, 0.5, 0.875)], ComparisonPlot.Points(lines, "validationAccuracy"));
        Assert.Equal([(1, 0, 2.5), (2, 0.25, 1.5)], ComparisonPlot.Points(lines, "loss"));
    }

    [Fact]
    public void What_all_runs_have_is_drawn_into_one_picture()
    {
        var both = new[] { Run("a", """{"step":1,"loss":2.5,"seconds":0}""", """{"step":1,"validationAccuracy":0.5}"""), Run("b", """{"step":1,"loss":2,"seconds":0}""", """{"step":2""") };
        var picture = Path.Combine(_folder, "both.png");
        Assert.Equal("loss", ComparisonPlot.Save(both, null, picture));
        Assert.Equal("validationAccuracy", ComparisonPlot.Save([both[0]], null, picture));
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(picture)[..4]);
    }

    [Fact]
    public void A_run_without_the_metric_says_which_it_has()
    {
        var run = Run("a", """{"step":1,"epoch":0.5,"loss":2.5,"rowsPerSecond":100,"seconds":0}""");
        var problem = Assert.Throws<InvalidDataException>(() => ComparisonPlot.Save([run], "validationAccuracy", Path.Combine(_folder, "none.png")));
        Assert.EndsWith("has no 'validationAccuracy' in its metrics.jsonl. It has: loss, rowsPerSecond.", problem.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_folder, "none.png")));
        Assert.EndsWith("has no metrics.jsonl, or an empty one: is it the folder of a run?", Assert.Throws<InvalidDataException>(() => ComparisonPlot.Save([("x", _folder)], null, "x.png")).Message, StringComparison.Ordinal);
    }

    private static JsonElement Line(string text) => JsonDocument.Parse(text).RootElement;

    private (string Name, string Folder) Run(string name, params string[] lines)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllLines(Path.Combine(folder, "metrics.jsonl"), lines);
        return (name, folder);
    }
}
