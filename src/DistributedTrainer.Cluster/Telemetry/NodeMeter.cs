using System.Diagnostics.Metrics;
using DistributedTrainer.Channels;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>
/// The metrics of a node, named as OpenTelemetry asks for. All are observable: whoever listens reads what the code counts
/// anyway, and where nobody listens nothing is done. The table of docs/operations.md explains each.
/// </summary>
internal sealed class NodeMeter : IDisposable
{
    private const double Million = 1e6;

    private readonly NodeFigures _figures;
    private readonly Meter _meter;

    public NodeMeter(NodeFigures figures)
    {
        _figures = figures;
        _meter = new Meter(new MeterOptions(TelemetrySource.Name) { Version = typeof(NodeMeter).Assembly.GetName().Version?.ToString(3), Tags = [new("dtrain.node", figures.Node.Value)] });
        OfWorkers();
        OfServers();
        OfChannels();
        OfRun();
        _meter.CreateObservableGauge(
            "dtrain.cluster.members",
            () => figures.Members().Select(static entry => new Measurement<int>(entry.Value, new KeyValuePair<string, object?>("dtrain.role", entry.Key))),
            "{node}", "Members of the cluster as this node sees it, by role. One with two roles counts twice.");
        _meter.CreateObservableGauge("dtrain.node.generation", () => figures.Generation, "{generation}", "The newest assignment that this node has heard of.");
    }

    public void Dispose() => _meter.Dispose();

    private void OfWorkers()
    {
        Counter("dtrain.worker.steps", "{step}", "Steps that a worker has taken in this run.", static costs => costs.Steps);
        _meter.CreateObservableCounter(
            "dtrain.worker.rows", () => _figures.Workers.Select(static worker => new Measurement<long>(worker.Value.RowsComputed, Worker(worker.Key))), "{row}",
            "Rows whose gradients a worker has computed in this run; those that were computed again count again.");
        _meter.CreateObservableCounter("dtrain.worker.time", WorkerTimes, "s", "Time of a worker's steps by what it was spent on: computing, pushing, waiting or pulling.");
        Counter("dtrain.worker.allocated", "By", "Managed memory that a worker's step thread has allocated.", static costs => costs.AllocatedBytes);
        _meter.CreateObservableGauge(
            "dtrain.worker.step", () => _figures.Workers.Select(static worker => new Measurement<long>(worker.Value.Version, Worker(worker.Key))), "{step}",
            "The parameter version that a worker holds; -1 before the first.");

        void Counter(string name, string unit, string description, Func<StepCosts, long> value) =>
            _meter.CreateObservableCounter(name, () => _figures.Workers.Select(worker => new Measurement<long>(value(worker.Value.Costs), Worker(worker.Key))), unit, description);
    }

    private IEnumerable<Measurement<double>> WorkerTimes()
    {
        foreach (var (name, loop) in _figures.Workers)
        {
            var costs = loop.Costs;
            foreach (var (activity, microseconds) in ((string, long)[])[("computing", costs.Computing), ("pushing", costs.Pushing), ("waiting", costs.Waiting), ("pulling", costs.Copying)])
            {
                yield return new Measurement<double>(microseconds / Million, Worker(name), new("dtrain.activity", activity));
            }
        }
    }

    private void OfServers()
    {
        _meter.CreateObservableCounter(
            "dtrain.partition.updates", () => _figures.Partitions.Select(static served => new Measurement<long>(served.Value.Updates, Partition(served.Key))), "{update}",
            "Updates that a partition has applied since it was loaded.");
        _meter.CreateObservableCounter(
            "dtrain.partition.update.time", () => _figures.Partitions.Select(static served => new Measurement<double>(served.Value.UpdateTime.TotalSeconds, Partition(served.Key))), "s",
            "Time that these took: the last sum of the tree and the optimizer.");
        _meter.CreateObservableGauge(
            "dtrain.partition.step", () => _figures.Partitions.Select(static served => new Measurement<long>(served.Value.Version, Partition(served.Key))), "{step}",
            "The newest parameter version of a partition.");
        _meter.CreateObservableCounter(
            "dtrain.frames.refused", static () => ChannelTraffic.Refused, "{frame}",
            "Frames that this process has refused as a server; most belong to an assignment that is over.");
    }

    private void OfChannels()
    {
        _meter.CreateObservableCounter("dtrain.channel.io", static () => Traffic(static kind => kind.SentBytes, static kind => kind.ReceivedBytes), "By", "Bytes of the data plane, headers included, by kind of channel and direction.");
        _meter.CreateObservableCounter("dtrain.channel.frames", static () => Traffic(static kind => kind.SentFrames, static kind => kind.ReceivedFrames), "{frame}", "Frames of the data plane, by kind of channel and direction.");
    }

    private static IEnumerable<Measurement<long>> Traffic(Func<ChannelTraffic, long> sent, Func<ChannelTraffic, long> received)
    {
        foreach (var kind in ChannelTraffic.All.Where(static kind => kind.SentFrames + kind.ReceivedFrames > 0))
        {
            var name = new KeyValuePair<string, object?>("dtrain.channel.kind", kind.Kind);
            yield return new Measurement<long>(sent(kind), name, new("network.io.direction", "transmit"));
            yield return new Measurement<long>(received(kind), name, new("network.io.direction", "receive"));
        }
    }

    private void OfRun()
    {
        Gauge("dtrain.run.step", "{step}", "Steps of the run that are done.", static run => run.Step);
        Gauge("dtrain.run.steps", "{step}", "Steps that the run will have, if it does not stop early.", static run => run.Steps);
        Gauge("dtrain.run.generation", "{generation}", "The run's assignment: each change of who computes what is a new one.", static run => run.Generation);
        Gauge("dtrain.run.loss", "1", "Mean loss of the last step.", static run => double.IsNaN(run.Loss) ? null : run.Loss);
        Gauge("dtrain.run.validation.loss", "1", "Mean loss of the last evaluation on the validation rows.", static run => run.ValidationLoss);
        Gauge("dtrain.run.validation.accuracy", "1", "Share of validation rows that the last evaluation got right.", static run => run.ValidationAccuracy);
        Gauge("dtrain.run.rate", "{row}/s", "Rows a second, over the last seconds.", static run => run.RowsPerSecond);
        Counter("dtrain.run.recoveries", "{recovery}", "Failures that training went on after.", static run => run.Recoveries);
        Counter("dtrain.run.recovery.time", "s", "Time from each failure to the first new step after it, added up.", static run => run.RecoverySeconds);
        Counter("dtrain.run.checkpoints", "{checkpoint}", "Checkpoints that were written.", static run => run.Checkpoints);
        Counter("dtrain.run.checkpoint.time", "s", "Time to gather and write them, added up.", static run => run.CheckpointSeconds);
        Counter("dtrain.run.checkpoint.io", "By", "Bytes that were written for them.", static run => run.CheckpointBytes);

        void Gauge(string name, string unit, string description, Func<RunFigures, double?> value) =>
            _meter.CreateObservableGauge(name, () => Of(value), unit, description);

        void Counter(string name, string unit, string description, Func<RunFigures, double?> value) =>
            _meter.CreateObservableCounter(name, () => Of(value), unit, description);

        IEnumerable<Measurement<double>> Of(Func<RunFigures, double?> value) =>
            _figures.Coordinated is { } run && value(run) is { } number ? [new Measurement<double>(number, new KeyValuePair<string, object?>("dtrain.run", run.Run))] : [];
    }

    private static KeyValuePair<string, object?> Worker(string name) => new("dtrain.worker", name);

    private static KeyValuePair<string, object?> Partition(int id) => new("dtrain.partition", id);
}
