using System.Text.Json;
using DistributedTrainer.Cli.Exporting;

namespace DistributedTrainer.Cli.Tests.Exporting;

/// <summary>A timeline as viewers of traces read it.</summary>
public sealed class ChromeTraceTests : IDisposable
{
    private const string Recorded = """
        {"at":1000000,"event":"generation","text":"generation 2","step":4}
        {"node":"worker-a","track":"worker-a/0","offset":500,"offsetError":40,"at":1000000,"spans":[[0,4,0,300],[2,4,300,100],[0,5,400,250]]}
        {"node":"worker-a","track":"worker-a/0","offset":480,"offsetError":20,"lost":3,"at":1000650,"spans":[[1,5,0,30]]}
        {"node":"server-b","track":"partition 0","offset":0,"offsetError":0,"at":1000900,"spans":[[7,4,0,20],[99,4,30,1]]}
        {"at":1000200,"event":"checkpoint","text":"checkpoint of step 5","step":5,"duration":5000}
        {"node":"server-b","tr
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dtrain-timeline-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Each_node_is_a_process_and_times_are_by_one_clock()
    {
        var (trace, events) = Written();
        Assert.Equal((8, 3, 3L, 40L), (trace.Count, trace.Nodes, trace.Lost, trace.ClockError));
        var names = events.Where(static entry => Text(entry, "ph") == "M").Select(static entry => entry.GetProperty("args").GetProperty("name").GetString());
        Assert.Equal(["coordinator", "generation", "worker-a", "worker-a/0", "server-b", "partition 0", "checkpoint"], names);
        var spans = events.Where(static entry => Text(entry, "ph") == "X").Select(static entry => (Text(entry, "name"), Number(entry, "ts"), Number(entry, "dur"), entry.GetProperty("args").GetProperty("step").GetInt64())).ToArray();

        // The push begins by the newer notion of the clock 20 µs before the end of what came before it, and is moved to it.
        Assert.Equal(
            [("compute", 500L, 300L, 4L), ("wait", 800, 100, 4), ("compute", 900, 250, 5), ("push", 1150, 30, 5), ("update", 900, 20, 4), ("other", 930, 1, 4), ("checkpoint of step 5", 200, 5000, 5)],
            spans);
        var moment = Assert.Single(events, static entry => Text(entry, "ph") == "i");
        Assert.Equal(("generation 2", 0L, "g"), (Text(moment, "name"), Number(moment, "ts"), Text(moment, "s")));
    }

    [Fact]
    public void Of_some_steps_only_what_belongs_to_them_is_written()
    {
        var (trace, events) = Written(from: 5, steps: 1);
        Assert.Equal(3, trace.Count);
        Assert.All(events.Where(static entry => Text(entry, "ph") == "X"), static entry => Assert.Equal(5, entry.GetProperty("args").GetProperty("step").GetInt64()));
    }

    [Fact]
    public void Steps_that_were_not_recorded_make_an_empty_trace()
    {
        var (trace, events) = Written(from: 100);
        Assert.Equal(0, trace.Count);
        Assert.Empty(events);
    }

    private (ChromeTrace Trace, JsonElement[] Events) Written(long from = 0, long? steps = null)
    {
        var source = Path.Combine(_folder.FullName, "timeline.jsonl");
        File.WriteAllText(source, Recorded);
        using var output = new MemoryStream();
        var trace = ChromeTrace.Write(source, output, from, steps);
        return (trace, [.. JsonDocument.Parse(output.ToArray()).RootElement.GetProperty("traceEvents").EnumerateArray()]);
    }

    private static string Text(JsonElement entry, string name) => entry.GetProperty(name).GetString()!;

    private static long Number(JsonElement entry, string name) => entry.GetProperty(name).GetInt64();
}
