using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Data.Supply;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Cluster.Tests.Supply;

/// <summary>A node's plan from the coordinator's data, over real connections.</summary>
[Collection(nameof(CacheFolder))]
public sealed class DataSupplyTests(CacheFolder cache) : IDisposable
{
    private static readonly Func<bool> Never = static () => false;
    private static int _names;

    private readonly TemporaryFolder _here = new();
    private readonly TemporaryFolder _there = new();
    private readonly List<string> _log = [];
    private readonly TestExperiment _experiment = new() { Source = "rows.csv", Split = "{ validation: 0.2, test: 0.2 }", Layers = ["linear: 8", "batch-norm", "tanh", "linear: 2"] };

    public void Dispose()
    {
        _here.Dispose();
        _there.Dispose();
    }

    [Theory]
    [InlineData("none")]
    [InlineData("other")]
    [InlineData("unreadable")]
    [InlineData("same")]
    public void A_plan_of_rows_that_were_sent_trains_to_the_same_bits(string file)
    {
        var plan = Coordinators();
        switch (file)
        {
            case "other":
                _there.Write("rows.csv", Rows(changed: true));
                break;
            case "unreadable":
                _there.Write("rows.csv", "a,b,kind\n1,2\n");
                break;
            case "same":
                _there.Write("rows.csv", Rows());
                break;
        }

        using var supply = Open(plan);
        using var client = Client(supply.Source, plan);
        var (own, supplied) = Create(plan, supply.Source, client);
        Assert.Equal(plan.InputsSha256, own!.InputsSha256);
        Assert.Equal(file != "same", own.Data.IsSupplied);
        Assert.Equal(ReferenceTrainer.Train(plan).Parameters, ReferenceTrainer.Train(own).Parameters);
        var expected = file switch
        {
            "none" => $"there is no {Path.Combine(_there.Path, "rows.csv")}; ",
            "other" => "rows.csv has the SHA-256 ",
            "unreadable" => "rows.csv:2: ",
            _ => null,
        };
        if (expected is null)
        {
            Assert.Null(supplied);
        }
        else
        {
            Assert.StartsWith(expected, supplied, StringComparison.Ordinal);
            Assert.Matches(@"; \d+ bytes of rows were fetched from the coordinator in \d+\.\d\d s$", supplied);
        }
    }

    [Fact]
    public void Starting_weights_are_sent_too()
    {
        var plain = Coordinators();
        var trained = ReferenceTrainer.Train(plain);
        using (var file = File.Create(Path.Combine(_here.Path, "start.safetensors")))
        {
            SafeTensors.Write(file, [.. TensorsOf(plain.Model, trained)], new Dictionary<string, string>());
        }

        var plan = (_experiment with { Model = "from: start.safetensors" }).Plan(_here.Path);
        using var supply = Open(plan);
        using var client = Client(supply.Source, plan);
        var (own, _) = Create(plan, supply.Source, client);
        Assert.Equal(plan.InputsSha256, own!.InputsSha256);
        var (expected, actual) = (Start(plan), Start(own));
        Assert.Equal(expected.Parameters, actual.Parameters);
        Assert.Equal(expected.Buffers, actual.Buffers);
        Assert.NotEqual(Start(plain).Parameters, actual.Parameters);
    }

    [Fact]
    public void Another_coordinator_goes_on_where_one_dies()
    {
        var plan = Coordinators();
        var dying = Open(plan);
        using var client = Client(dying.Source, plan);
        var description = client.Describe()!;
        var size = description.RecordBytes[0];
        var records = new byte[10 * size];
        Assert.True(client.Fetch(new RecordRange(0, 0, 1, 10), records, Never));
        dying.Dispose();

        // Nothing is asked of the first any more, even where a connection to it is still open.
        using var next = Open(plan);
        client.MoveTo(next.Source);
        var again = new byte[10 * size];
        Assert.True(client.Fetch(new RecordRange(0, 0, 1, 10), again, Never));
        Assert.Equal(records, again);
        for (var i = 0; i < 10; i++)
        {
            plan.Data.Training.CopyRecord(i, again.AsSpan(i * size, size));
        }

        Assert.Equal(records, again);
    }

    [Fact]
    public async Task Whoever_waits_for_a_coordinator_that_is_gone_is_woken_by_its_successor_and_by_the_end()
    {
        var plan = Coordinators();
        using var supply = Open(plan);
        using var client = Client(supply.Source with { Addresses = ["tcp://127.0.0.1:1"], ProcessId = -1 }, plan);
        var waiting = Task.Run(client.Describe);
        await Until(() => Logged("rows are waited for"));
        client.MoveTo(supply.Source);
        Assert.Equal(plan.Data.Dataset.Sha256, (await waiting.WaitAsync(TimeSpan.FromSeconds(30)))!.Sha256);

        client.MoveTo(supply.Source with { Addresses = ["tcp://127.0.0.1:1"], ProcessId = -1 });
        var over = Task.Run(() => client.Fetch(new RecordRange(0, 0, 1, 1), new byte[plan.Data.Training.RecordBytes], Never));
        client.Dispose();
        Assert.False(await over.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_coordinator_with_other_data_is_not_believed()
    {
        var plan = Coordinators();
        _there.Write("rows.csv", Rows(changed: true));
        var other = _experiment.Plan(_there.Path);
        using var supply = Open(other);
        using var client = Client(supply.Source, other);
        File.Delete(Path.Combine(_there.Path, "rows.csv"));
        var problems = new List<string>();
        var prepare = Prepare(plan, supply.Source with { InputsSha256 = plan.InputsSha256 });
        Assert.Null(NodePlan.Create(prepare, client, true, _log.Add, problems).Plan);
        Assert.Contains($"describes data with the SHA-256 {other.InputsSha256}, but names {plan.InputsSha256}", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1, 0, 1, 1)]
    [InlineData(3, 0, 1, 1)]
    [InlineData(0, -1, 1, 1)]
    [InlineData(0, 0, 0, 1)]
    [InlineData(0, 0, 1, 0)]
    [InlineData(0, 0, 1, 100_000)]
    [InlineData(0, 5, 1 << 30, 1 << 30)]
    [InlineData(0, int.MaxValue, int.MaxValue, int.MaxValue)]
    public void Questions_for_what_is_not_there_are_refused_and_the_connection_stays(int set, int first, int stride, int count)
    {
        var plan = Coordinators();
        using var supply = Open(plan);
        var key = plan.Data.Describe().Key();
        using var link = new SupplyLink(supply.Source);
        link.Channel = new SocketTransport().Connect(supply.Source.Addresses[^1], link, new ChannelOptions { RunToken = plan.Token });
        var refused = Assert.Throws<IOException>(() => link.Ask(SupplyFrames.Ask(plan.Token, key, new RecordRange(set, first, stride, count)), null, TimeSpan.FromSeconds(30), Never));
        Assert.Contains("there are no records", refused.Message, StringComparison.Ordinal);
        Assert.True(link.Channel.IsOpen);
        Assert.Equal(2 * plan.Data.Training.RecordBytes, Fresh().Ask(SupplyFrames.Ask(plan.Token, key, new RecordRange(0, 1, 2, 2)), null, TimeSpan.FromSeconds(30), Never)!.Value.Length);
        refused = Assert.Throws<IOException>(() => Fresh().Ask(SupplyFrames.Ask(plan.Token, new string('0', 64), new RecordRange(0, 1, 2, 2)), null, TimeSpan.FromSeconds(30), Never));
        Assert.Contains("other data than it had before", refused.Message, StringComparison.Ordinal);

        SupplyLink Fresh()
        {
            var fresh = new SupplyLink(supply.Source);
            fresh.Channel = new SocketTransport().Connect(supply.Source.Addresses[^1], fresh, new ChannelOptions { RunToken = plan.Token });
            return fresh;
        }
    }

    [Fact]
    public void Over_an_encrypted_network_rows_come_to_who_has_a_certificate_of_the_same_authority()
    {
        using var ours = new TestAuthority("ours");
        using var theirs = new TestAuthority("theirs");
        var plan = Coordinators();
        plan.Certificates = ours.Node();
        using var supply = Open(plan);

        // On another host, as far as it knows: its way is the network.
        using var client = new SupplyClient(supply.Source, plan.Token, "elsewhere", "w0", Log, ours.Node());
        Assert.Equal(ReferenceTrainer.Train(plan).Parameters, ReferenceTrainer.Train(Create(plan, supply.Source, client).Plan!).Parameters);
        foreach (var certificates in new[] { null, theirs.Node() })
        {
            using var link = new SupplyLink(supply.Source);
            Assert.Throws<ChannelClosedException>(() => new SocketTransport().Connect(supply.Source.Addresses[^1], link, new ChannelOptions { RunToken = plan.Token, Certificates = certificates }));
        }

        Assert.True(Logged("tls: "));
    }

    [Fact]
    public void What_comes_with_the_program_needs_no_supply()
    {
        Assert.Null(DataSupply.Open(new TestExperiment().Plan(), "127.0.0.1", "none", _log.Add));
        Assert.Empty(Directory.Exists(cache.Path) ? Directory.GetFiles(cache.Path, "*iris*") : []);
    }

    private static async Task Until(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!holds())
        {
            await Task.Delay(10, limit.Token);
        }
    }

    private static IEnumerable<NamedTensor> TensorsOf(Model model, TrainedModel trained) =>
        model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, trained.Parameters.AsMemory(slot.Offset, slot.Shape.Elements)))
            .Concat(model.Buffers.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, trained.Buffers.AsMemory(slot.Offset, slot.Shape.Elements))));

    private static (float[] Parameters, float[] Buffers) Start(TrainingPlan plan)
    {
        var (parameters, buffers) = (new float[plan.Model.Layout.Length], new float[plan.Model.Buffers.Length]);
        plan.Initialize(parameters, buffers);
        return (parameters, buffers);
    }

    private static string Rows(bool changed = false) =>
        "a,b,kind\n" + string.Join('\n', Enumerable.Range(0, 150).Select(i => $"{i % 17},{i * 7 % 23}.{(changed && i == 70 ? 6 : 5)},{(i * 13 % 29 > 14 ? "yes" : "no")}")) + "\n";

    private bool Logged(string text)
    {
        lock (_log)
        {
            return _log.Exists(line => line.Contains(text, StringComparison.Ordinal));
        }
    }

    private void Log(string text)
    {
        lock (_log)
        {
            _log.Add(text);
        }
    }

    private TrainingPlan Coordinators()
    {
        _here.Write("rows.csv", Rows());
        return _experiment.Plan(_here.Path);
    }

    private DataSupply Open(TrainingPlan plan) => DataSupply.Open(plan, "127.0.0.1", $"supply-{Environment.ProcessId}-{Interlocked.Increment(ref _names)}", Log)!;

    private SupplyClient Client(Nodes.DataSource source, TrainingPlan plan) => new(source, plan.Token, "127.0.0.1", "w0", Log);

    private Nodes.Prepare Prepare(TrainingPlan plan, Nodes.DataSource source) =>
        new(new RunId("r"), plan.Token, Experiments.ExperimentWriter.Write(plan.Experiment), _there.Path, "/runs/r", false, source);

    private (TrainingPlan? Plan, string? Supplied) Create(TrainingPlan plan, Nodes.DataSource source, SupplyClient client)
    {
        cache.Clear();
        var problems = new List<string>();
        var created = NodePlan.Create(Prepare(plan, source), client, hasWorkers: true, Log, problems);
        Assert.Empty(problems);
        return created;
    }
}

/// <summary>A cache folder for tests that look into it.</summary>
[CollectionDefinition(nameof(CacheFolder))]
public sealed class CacheFolder : ICollectionFixture<CacheFolder>, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _before = Environment.GetEnvironmentVariable("DTRAIN_CACHE");

    public CacheFolder() => Environment.SetEnvironmentVariable("DTRAIN_CACHE", Path);

    public string Path => System.IO.Path.Combine(_folder.Path, "cache");

    public void Clear()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", _before);
        _folder.Dispose();
    }
}
