using System.Collections;
using System.Reflection;

namespace DistributedTrainer.Protocol.Tests;

/// <summary>One message of every type, with a value in every member that can have one.</summary>
internal static class Samples
{
    private static readonly RunId Run = new("digits-20260101-120000");
    private static readonly NodeId Node = new("worker-1");
    private static readonly WorkerId Worker = new("worker-1/0");
    private static readonly Generation Generation = new(7);
    private static readonly PartitionId Partition = new(1);
    private static readonly StepCosts Costs = new(100, 300_000, 20_000, 50_000, 10_000, 123_456, 234_567_890);
    private static readonly Judgement Judgement = new(0.5, 2, 1, 3, 0.4, 80, 1);
    private static readonly string[] Addresses = ["unix:///tmp/a.sock", "tcp://127.0.0.1:40001"];
    private static readonly Nodes.Prepare Preparation = new(Run, ulong.MaxValue, "name: digits\n", "/data", "/runs/1", true, new Nodes.DataSource("00ff", "host", 1234, Addresses), [new Nodes.ExtensionFile("Own", "00ff")]);

    public static readonly IProtocolMessage[] All =
    [
        new Nodes.Register(Node, ["worker", "server"], "host", 1234, 2, Run, 1_700_000_000_000_000, 4),
        new Nodes.Registered(Node, 1_700_000_000_000_000, 1_700_000_000_000_200),
        new Nodes.Recorded(Run, Node, "worker-1/0", -150, 60, 2, 1_700_000_000_000_000, [0, 2], [98, 98], [0, 300], [290, 12]),
        Preparation,
        new Nodes.Prepared(Run, Node, "00ff", Addresses, "there is no /data/a.csv", true),
        new Nodes.PrepareFailed(Run, Node, "data: no such file"),
        new Nodes.Recall(Run),
        new Nodes.Recalled(Preparation, Node, Generation, new Generation(3), [0, 1], ["training.mode=async"]),
        new Nodes.EndRun(Run),
        new Nodes.Leaving(new NodeId("server-1")),
        new Nodes.MayLeave(new NodeId("server-1")),
        new Nodes.Shutdown("the run is over"),
        new Partitions.Host(Run, Generation, [0, 1], new StepId(90), 5_242_880, Judgement, ["training.mode=async"]),
        new Partitions.Hosted(Run, Node, Generation),
        new Partitions.Fence(Run, Partition, Generation),
        new Partitions.Fenced(Run, Partition, Generation, new StepId(99)),
        new Partitions.StepsApplied(Run, new StepId(98), [12.5, 0.1], [128, 64], [0.01, 0.001], [1_700_000_000_000_000, 1_700_000_000_000_312], [1], 1_000_000),
        new Partitions.Measured(Run, Partition, new StepId(100), 128, [12.5, 0.25]),
        new Partitions.StepsKept(Run, new StepId(99), new StepId(80)),
        new Partitions.AskCheckpoint(Run, true),
        new Partitions.TakeSnapshot(Run, Partition, new StepId(100)),
        new Partitions.SnapshotTaken(Run, Partition, new StepId(100), 5_242_880, Judgement, true),
        new Partitions.SnapshotDone(Run, Partition, new StepId(100)),
        new Partitions.Evaluated(Run, new StepId(100), new SetSums(1.25, 97, 100), new SetSums(2.5, 190, 200), [new LayerUnits("1", "relu", 128, 37, 40)], new StepId(80), false),
        new Partitions.Failed(Run, new StepId(100), "loss is not a number"),
        new Partitions.NotFinite(Run, new StepId(98)),
        new Partitions.LinkLost(Run, Worker, "the peer closed the connection"),
        new Workers.Assign(Run, Worker, Generation, new Generation(3), new StepId(100), [0, 2], [new Workers.Route(Partition, Node, "host", 1234, Addresses)], ["training.mode=async"], 3),
        new Workers.Bring(Run, Worker, [0, 2]),
        new Workers.Brought(Run, Worker, [0, 2], "no memory"),
        new Workers.Status(Run, Worker, new StepId(100), 12_800, "computing", Costs),
        new Workers.NotFinite(Run, Worker, new StepId(98), 3, 5, "the gradient of 2.weight is NaN"),
        new Workers.LinkLost(Run, Worker, Node, "nobody answers"),
        new Workers.Described(Run, Worker, new StepId(100), [new ParameterSummary("0.weight", 8, -1.5, 2.5, 0.25, 3.5, [3, 5])]),
        new Workers.Failed(Run, Worker, new StepId(100), "out of memory"),
        new Submissions.Submit("name: digits\n", "digits.yaml", "/data", "/runs/1", true, true),
        new Submissions.Watch(Run, "/runs/1"),
        new Submissions.Accepted(Run, "/runs/1"),
        new Submissions.Rejected(["line 1: no data", "line 2: no layers"]),
        new Submissions.Stop(Run),
        new Submissions.Change("a1", ["training.mode=stale", "training.staleness=2"]),
        new Submissions.ChangePending("a1", "a checkpoint is made for it"),
        new Submissions.Changed("a1", Run, "/runs/1", new StepId(120), [new Submissions.SettingDifference("training.mode", "sync", "stale")], [new Submissions.SettingDifference("training.staleness", "null", "2")]),
        new Submissions.NotChanged("a1", true, ["training.seed: it cannot be changed"]),
        new Submissions.ProcessDied(1234, "signal 9"),
        new Submissions.LogLine("worker", "warning: no answer"),
        new Submissions.GaveUp("server", "died 4 times"),
        new Submissions.View(
            Run, "training", 100, 1000, 1, 20, 0.25, 0.5, 0.97, 54_000.5, 422, 12.25,
            [new Submissions.NodeView("worker-1", "worker", "host", 1234, "computing", [0, 2], 27_000.25, "host:4053", Addresses, Costs, 4)]),
        new Submissions.Notice(Run, "worker-1 died; its shards moved to worker-2"),
        new Submissions.Ended(Run, true, "none", "{\"steps\":1000}", "/runs/1"),
        new RunFiles.AskRuns("digits-1"),
        new RunFiles.Runs([new RunFiles.ListedRun("digits-2", 1234)], true),
        new RunFiles.AskNews("digits-2", [new RunFiles.Mark("metrics.jsonl", 3, 0, [10, 20, 30])], true),
        new RunFiles.News("digits-2", true, [new RunFiles.Piece("metrics.jsonl", 3, 5, 77, [40, 50])], true),
    ];

    /// <summary>Every type that the assembly marks as a message.</summary>
    public static Type[] MessageTypes =>
        [.. typeof(IProtocolMessage).Assembly.GetTypes().Where(type => type is { IsInterface: false } && type.IsAssignableTo(typeof(IProtocolMessage)))];

    /// <summary>
    /// Fails unless both are of one type with equal members, arrays by element and floats by bits: a record's own
    /// equality compares arrays by reference.
    /// </summary>
    public static void AssertSame(object? expected, object? actual)
    {
        if (expected is null || actual is null || expected is string || expected.GetType().IsPrimitive)
        {
            Assert.Equal(Bits(expected), Bits(actual));
            return;
        }

        Assert.Equal(expected.GetType(), actual.GetType());
        if (expected is IList list)
        {
            var other = (IList)actual;
            Assert.Equal(list.Count, other.Count);
            for (var i = 0; i < list.Count; i++) AssertSame(list[i], other[i]);
            return;
        }

        foreach (var property in expected.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            AssertSame(property.GetValue(expected), property.GetValue(actual));
    }

    private static object? Bits(object? value) => value is double number ? BitConverter.DoubleToInt64Bits(number) : value;
}
