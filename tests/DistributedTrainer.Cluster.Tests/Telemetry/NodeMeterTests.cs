using System.Diagnostics.Metrics;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Telemetry;

/// <summary>What a node's metrics are called, in which units, and where their values come from.</summary>
public sealed class NodeMeterTests
{
    private readonly SortedDictionary<string, double> _seen = new(StringComparer.Ordinal);

    [Fact]
    public void Metrics_are_read_from_what_is_counted_anyway()
    {
        using var cluster = new MiniCluster(new TestExperiment { Training = "{ epochs: 2, batch-size: 30, shards: 4 }" }.Plan());
        cluster.With(1).Run();
        var (worker, partition) = (cluster.Workers[0], cluster.Partitions[0]);
        ChannelTraffic.CountRefused();
        var figures = new NodeFigures(new NodeId("meter-test"), ["server", "worker"])
        {
            Members = static () => [new("worker", 3)],
            Coordinated = new RunFigures { Run = "r", Generation = 7, Step = 8, Steps = 10, Loss = 0.5, Recoveries = 2, RecoverySeconds = 1.5, Checkpoints = 1, CheckpointSeconds = 0.25, CheckpointBytes = 1000 },
        };
        figures.Workers["w0"] = worker.Loop;
        figures.Partitions[0] = partition;
        using (new NodeMeter(figures))
        {
            Read();
        }

        var steps = cluster.Plan.TotalSteps;

        // The servers are done a moment before the worker has the last version.
        Assert.InRange(_seen["dtrain.worker.steps {step} dtrain.worker=w0"], steps - 1, steps);
        Assert.Equal(worker.Loop.RowsComputed, _seen["dtrain.worker.rows {row} dtrain.worker=w0"]);
        Assert.InRange(_seen["dtrain.worker.step {step} dtrain.worker=w0"], steps - 1, steps);
        foreach (var activity in (string[])["computing", "pushing", "waiting", "pulling"])
        {
            Assert.True(_seen[$"dtrain.worker.time s dtrain.worker=w0 dtrain.activity={activity}"] > 0);
        }

        Assert.Equal(steps, _seen["dtrain.partition.updates {update} dtrain.partition=0"]);
        Assert.True(_seen["dtrain.partition.update.time s dtrain.partition=0"] > 0);
        Assert.True(_seen["dtrain.frames.refused {frame}"] >= 1);
        Assert.Contains(_seen.Keys, static key => key.StartsWith("dtrain.channel.io By dtrain.channel.kind=", StringComparison.Ordinal) && key.EndsWith(" network.io.direction=transmit", StringComparison.Ordinal));
        Assert.Equal(3, _seen["dtrain.cluster.members {node} dtrain.role=worker"]);
        Assert.Equal(7, _seen["dtrain.node.generation {generation}"]);
        Assert.Equal(
            (8, 10, 7, 0.5, 2, 1.5),
            (Run("step {step}"), Run("steps {step}"), Run("generation {generation}"), Run("loss 1"), Run("recoveries {recovery}"), Run("recovery.time s")));
        Assert.Equal((1, 0.25, 1000), (Run("checkpoints {checkpoint}"), Run("checkpoint.time s"), Run("checkpoint.io By")));

        // Not evaluated yet: there is no number, rather than a wrong one.
        Assert.DoesNotContain(_seen.Keys, static key => key.StartsWith("dtrain.run.validation", StringComparison.Ordinal));

        double Run(string name) => _seen[$"dtrain.run.{name} dtrain.run=r"];
    }

    [Fact]
    public void The_documentation_lists_every_metric()
    {
        var named = new SortedSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => Add(instrument) };
        using (new NodeMeter(new NodeFigures(new NodeId("names-test"), [])))
        {
            listener.Start();
        }

        var documented = File.ReadLines(Path.Combine(RepositoryRoot(), "docs", "operations.md"))
            .Where(static line => line.StartsWith("| `dtrain.", StringComparison.Ordinal)).Select(static line => line.Split('`')[1] + " " + line.Split('|')[2].Trim().Trim('`'));
        Assert.Equal(named, documented.Order(StringComparer.Ordinal));

        void Add(Instrument instrument)
        {
            if (instrument.Meter.Tags?.Any(static tag => tag.Value is "names-test") == true)
            {
                Assert.False(string.IsNullOrEmpty(instrument.Description));
                named.Add($"{instrument.Name} {instrument.Unit}");
            }
        }
    }

    private static string RepositoryRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "DistributedTrainer.sln")))
        {
            folder = folder.Parent!;
        }

        return folder.FullName;
    }

    private void Read()
    {
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, own) =>
            {
                if (instrument.Meter.Tags?.Any(static tag => tag.Value is "meter-test") == true)
                {
                    own.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.Start();
        listener.RecordObservableInstruments();
    }

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _seen[$"{instrument.Name} {instrument.Unit}{string.Concat(tags.ToArray().Select(static tag => $" {tag.Key}={tag.Value}"))}"] = value;
}
