using System.Text.Json;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>cluster.jsonl: changes at once, speeds now and then.</summary>
public sealed class ClusterRecordTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly RunFolder _folder;
    private readonly ActiveRun _run;

    public ClusterRecordTests()
    {
        var experiment = new TestExperiment();
        var plan = experiment.Plan();
        _folder = RunFolder.Create(Path.Combine(_temporary.Path, "run"), experiment.Yaml);
        _run = new ActiveRun(new Nodes.Prepare(new RunId("run"), 1, experiment.Yaml, "/", _folder.FullPath, true), plan, _folder, new RunProgress(plan, _folder, TimeSpan.Zero));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _temporary.Dispose();
    }

    [Fact]
    public void A_change_is_written_at_once_and_speeds_once_a_second()
    {
        Note(0, Worker("a", 100, 0, 1), Worker("b", 100, 2, 3));
        Note(0.2, Worker("a", 200, 0, 1), Worker("b", 100, 2, 3));
        Assert.Single(Lines);
        Note(0.4, Worker("a", 200, 0, 1, 2, 3));
        Assert.Equal(2, Lines.Count);
        Note(0.6, Worker("a", 200, 0, 1, 2, 3));
        Note(1.4, Worker("a", 300, 0, 1, 2, 3));
        Assert.Equal([true, true, false], Lines.Select(static line => line.TryGetProperty("change", out _)));
        var node = Lines[^1].GetProperty("nodes")[0];
        Assert.Equal(("a", "training", 300.0), (node.GetProperty("name").GetString(), node.GetProperty("state").GetString(), node.GetProperty("rowsPerSecond").GetDouble()));
        Assert.Equal([0, 1, 2, 3], node.GetProperty("work").EnumerateArray().Select(static shard => shard.GetInt32()));
        Assert.All(Lines, static line => Assert.True(line.GetProperty("at").TryGetDateTimeOffset(out _)));
    }

    [Fact]
    public void A_phase_and_a_generation_are_changes_too()
    {
        Note(0, Worker("a", 100, 0));
        _run.Phase = RunPhase.Paused;
        Note(0.1, Worker("a", 100, 0));
        _run.NextGeneration(loads: false);
        Note(0.2, Worker("a", 100, 0));
        Assert.Equal(["gathering", "paused", "fencing"], Lines.Select(static line => line.GetProperty("phase").GetString()));
        Assert.Equal([0, 0, 1], Lines.Select(static line => line.GetProperty("generation").GetInt32()));
    }

    [Fact]
    public void A_day_makes_some_thousand_lines()
    {
        for (var seconds = 0.0; seconds < 86_400; seconds += 5)
        {
            Note(seconds, Worker("a", 100, 0));
        }

        Assert.InRange(Lines.Count, 8_000, 10_000);
    }

    private List<JsonElement> Lines => [.. File.ReadLines(Path.Combine(_folder.FullPath, "cluster.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)];

    private void Note(double seconds, params Submissions.NodeView[] nodes) => _run.Cluster.Note(_run, nodes, TimeSpan.FromSeconds(seconds));

    private static Submissions.NodeView Worker(string name, double speed, params int[] shards) => new(name, "worker", "host", 1, "training", shards, speed, "host:1", [], null);
}
