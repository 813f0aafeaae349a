using System.Text;
using System.Text.Json;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cli.Tests.Telemetry;

public sealed class LogLinesTests
{
    [Fact]
    public void An_event_is_one_json_object_with_what_is_known_of_its_node()
    {
        using var output = new MemoryStream();
        using (var logging = LogSettings.Create(LogLevel.Information, [new JsonLines(output, new ManualTime())]))
        {
            var logger = logging.CreateLogger(LogTexts.Node);
            using (logger.BeginScope(new List<KeyValuePair<string, object?>> { new("node", "w-1"), new("step", 12L), new("run", "far") }))
            using (logger.BeginScope(new List<KeyValuePair<string, object?>> { new("run", "near") }))
            {
                logger.LogWarning(new InvalidOperationException("broken"), "lost {Peer}, \"quoted\"\nand more", "w-2");
                logger.LogDebug("not told");
            }
        }

        var line = Assert.Single(Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        using var document = JsonDocument.Parse(line);
        var entry = document.RootElement;
        Assert.Equal("warning", Text("level"));
        Assert.Equal(LogTexts.Node, Text("category"));
        Assert.Equal("lost w-2, \"quoted\"\nand more", Text("message"));
        Assert.Equal("w-2", Text("Peer"));
        Assert.Equal("w-1", Text("node"));
        Assert.Equal(12, entry.GetProperty("step").GetInt64());
        Assert.Contains("broken", Text("exception"), StringComparison.Ordinal);
        Assert.True(entry.GetProperty("time").TryGetDateTimeOffset(out _));
        Assert.Equal(entry.EnumerateObject().Count(), entry.EnumerateObject().Select(static field => field.Name).Distinct().Count());

        string Text(string name) => entry.GetProperty(name).GetString()!;
    }

    [Fact]
    public void A_persons_log_has_a_line_an_event_and_trouble_goes_to_standard_error()
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        using (var logging = LogSettings.Create(LogLevel.Warning, [new TextLines(output, errors)]))
        {
            // Whoever starts a node waits for it, whatever the level is.
            logging.CreateLogger(LogTexts.Life).LogInformation("node 127.0.0.1:4053 roles worker");
            logging.CreateLogger(LogTexts.Coordinator).LogInformation("not told");
            logging.CreateLogger(LogTexts.Node).LogWarning("10.0.0.2:4053 is dead");
            logging.CreateLogger(LogTexts.Actors).LogError("no association");
        }

        Assert.Equal("node 127.0.0.1:4053 roles worker\n", output.ToString().ReplaceLineEndings("\n"));
        Assert.Equal("10.0.0.2:4053 is dead\nerror: no association\n", errors.ToString().ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData("{\"level\":\"warning\",\"message\":\"it is dead\"}", "it is dead")]
    [InlineData("{\"level\":", "{\"level\":")]
    [InlineData("{\"message\":1}", "{\"message\":1}")]
    [InlineData("Unhandled exception.", "Unhandled exception.")]
    public void The_runs_log_has_of_an_event_what_it_says(string line, string text) => Assert.Equal(text, JsonLines.MessageOf(line));

    [Theory]
    [InlineData("debug", true)]
    [InlineData("none", true)]
    [InlineData("Debug", false)]
    [InlineData("3", false)]
    [InlineData("loud", false)]
    public void Levels_are_named_as_the_documentation_does(string name, bool isLevel) => Assert.Equal(isLevel, LogSettings.IsLevel(name));
}
