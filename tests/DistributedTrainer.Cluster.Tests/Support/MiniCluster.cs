using System.Collections.Concurrent;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;
using Assign = DistributedTrainer.Protocol.Workers.Assign;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>
/// Partitions, boards and step loops over the real data plane, without actors. Whatever a coordinator would do runs on
/// one thread of its own, one thing after the other.
/// </summary>
internal sealed class MiniCluster : IDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static int _count;

    private readonly BlockingCollection<Action> _todo = [];
    private readonly TaskCompletionSource<SetSums> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<DataPlaneServer> _servers = [];
    private readonly Dictionary<int, Partition> _partitions = [];
    private readonly ConcurrentQueue<double> _losses = new();
    private readonly List<WeightLine> _descriptions = [];
    private readonly DescribedVersions _described;
    private readonly TaskCompletionSource _lastDescribed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The learning rate of each step.</summary>
    public ConcurrentQueue<float> Rates { get; } = new();

    private readonly List<Worker> _workers = [];
    private readonly Route[] _routes;
    private Dictionary<Worker, int[]> _shards = [];

    public MiniCluster(TrainingPlan plan, int servers = 1)
    {
        Plan = plan;
        _described = new DescribedVersions(Describe);
        var number = Interlocked.Increment(ref _count);
        for (var i = 0; i < servers; i++)
        {
            _servers.Add(Serve($"mini-{Environment.ProcessId}-{number}-{i}", [.. plan.Ranges.Where(range => range.Id % servers == i)]));
        }

        _routes = [.. plan.Ranges.Select(range => new Route(new PartitionId(range.Id), new NodeId($"s{range.Id % servers}"), "here", Environment.ProcessId, _servers[range.Id % servers].Addresses))];
        new Thread(Coordinate) { IsBackground = true, Name = "coordinator of a test" }.Start();
    }

    public TrainingPlan Plan { get; }

    public IReadOnlyList<Worker> Workers => _workers;

    public IReadOnlyDictionary<int, Partition> Partitions => _partitions;

    /// <summary>Of the lead partition.</summary>
    public StatisticsBoard Statistics { get; private set; } = null!;

    public long Generation { get; private set; }

    /// <summary>What the servers said.</summary>
    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>Where the servers listen.</summary>
    public IEnumerable<string> Addresses => _servers.SelectMany(static server => server.Addresses);

    /// <summary>How long workers hear nothing before they repeat.</summary>
    public ResendTimes Times { get; init; } = ResendTimes.Default;

    /// <summary>Threads of each worker that is added, by its number.</summary>
    public Func<int, int> Threads { get; init; } = static _ => 1;

    /// <summary>Called on the coordinating thread after each step.</summary>
    public Action<long> StepApplied { get; set; } = static _ => { };

    /// <summary>Called while each step is applied: the workers wait meanwhile.</summary>
    public Action<long> StepBeingApplied { get; set; } = static _ => { };

    /// <summary>Called on the coordinating thread; by default everybody is assigned anew what they have.</summary>
    public Action<Worker, string>? LinkLost { get; set; }

    public ConcurrentQueue<(string Worker, string Server, string Reason)> LostLinks { get; } = new();

    public ConcurrentQueue<(long Version, SetSums Validation, SetSums Test)> Evaluations { get; } = new();

    /// <summary>Partitions and the steps that they left out.</summary>
    public ConcurrentQueue<(int Partition, long Step)> Skipped { get; } = new();

    /// <summary>Partitions and the steps that ended the run there.</summary>
    public ConcurrentQueue<(int Partition, long Step)> NotFinite { get; } = new();

    /// <summary>What workers found.</summary>
    public ConcurrentQueue<(long Step, LeafFinding Finding)> Findings { get; } = new();

    /// <summary>What was told of versions, by workers and partitions, in the order in which it is written down. Whole where the last version is.</summary>
    public IReadOnlyList<WeightLine> Descriptions()
    {
        Assert.True(_lastDescribed.Task.Wait(Limit));
        return _descriptions;
    }

    /// <summary>What each evaluation says of the units.</summary>
    public ConcurrentQueue<LayerUnits[]> Units { get; } = new();

    public Worker Add(string name, Func<Route[], Route[]>? routes = null, TrainingPlan? plan = null)
    {
        var worker = new Worker(name, (routes ?? (static all => all))(_routes));
        worker.Loop = new StepLoop(plan ?? Plan, name, "here", new WorkerEvents(this, worker), Times, Threads(_workers.Count));
        _workers.Add(worker);
        return worker;
    }

    /// <summary>Workers that share the shards evenly.</summary>
    public MiniCluster With(int workers)
    {
        var added = Enumerable.Range(0, workers).Select(i => Add($"w{i}")).ToArray();
        var assignment = new ShardAssignment(Plan.Shards);
        var ids = Array.ConvertAll(added, static worker => new WorkerId(worker.Name));
        assignment.Rebalance(ids);
        Do(() => Assign(added.Select((worker, i) => (worker, assignment.ShardsOf(ids[i]))).ToArray()));
        return this;
    }

    /// <summary>
    /// Four workers; after each step the shards go to any of them: some stand by, some hold all, and shards come together that
    /// are apart.
    /// </summary>
    /// <param name="seed">Who has what follows from it.</param>
    /// <param name="most">So many generations one upon the other at most, before the workers have followed the first.</param>
    public MiniCluster WithMovingShards(int seed, int most)
    {
        var random = new Random(seed);
        var workers = Enumerable.Range(0, 4).Select(i => Add($"w{i}")).ToArray();
        void Move(int times)
        {
            for (; times > 0; times--)
            {
                var owners = Enumerable.Range(0, Plan.Shards).Select(_ => random.Next(random.Next(1, 5))).ToArray();
                Assign([.. workers.Select((worker, i) => (worker, Enumerable.Range(0, Plan.Shards).Where(shard => owners[shard] == i).ToArray()))]);
            }
        }

        StepApplied = _ => Move(random.Next(most + 1));
        Do(() => Move(2));
        return this;
    }

    /// <summary>Has the coordinating thread do something.</summary>
    public void Do(Action action) => _todo.Add(action);

    /// <summary>A new generation: fences all partitions and assigns; on the coordinating thread.</summary>
    public void Assign(params (Worker Worker, int[] Shards)[] shards)
    {
        _shards = shards.ToDictionary(static entry => entry.Worker, static entry => entry.Shards);
        Generation++;
        From = _partitions.Values.Min(partition => partition.Fence(Generation).Version);
        AssignAgain();
    }

    /// <summary>The same assignment as last time, in the same generation.</summary>
    public void AssignAgain()
    {
        foreach (var (worker, own) in _shards)
        {
            worker.Loop.Reassign(new Assign(new RunId("mini"), new WorkerId(worker.Name), new Generation(Generation), new Generation(0), new StepId(From), own, worker.Routes));
            worker.Start();
        }
    }

    /// <summary>What everybody has, in a new generation.</summary>
    public void AssignAnew() => Assign([.. _shards.Select(static pair => (pair.Key, pair.Value))]);

    public TrainedModel Run()
    {
        if (!_finished.Task.Wait(Limit))
        {
            throw new TimeoutException($"The run stands at version {string.Join(", ", _partitions.Values.Select(static partition => partition.Version))} of {Plan.TotalSteps}, generation {Generation}. {string.Join("; ", LostLinks.TakeLast(5))}");
        }

        var final = FinalParameters.Fetch(Plan, "here", _routes, Generation, FinalVersion);
        return new TrainedModel(final.Parameters, final.Buffers, [.. _losses]);
    }

    /// <summary>How the run came about, of each partition; at a version that all are at.</summary>
    public OrderSection Order(long version) => new(0, [.. Plan.Ranges.Select(range =>
    {
        var partition = _partitions[range.Id];
        Assert.True(partition.TakeSnapshot(version));
        var channel = new RecordingChannel();
        var vectors = 0;
        while (partition.SendSnapshot(channel, new FrameHeader { Kind = FrameKind.PullSnapshot, Step = version, Count = vectors }) is null)
        {
            vectors++;
        }

        // Parameters, the optimizer's state, the best version where there is one, and behind them the order.
        Assert.InRange(vectors - Plan.Optimizer.StateVectors, 2, 3);
        return channel.Last.Payload;
    })]);

    public void Dispose()
    {
        _todo.CompleteAdding();
        _workers.ForEach(static worker => worker.Loop.Dispose());
        _servers.ForEach(static server => server.Dispose());
    }

    /// <summary>The version whose parameters are the result.</summary>
    public long FinalVersion { get; private set; }

    /// <summary>The version that training ended with.</summary>
    public long LastVersion { get; private set; }

    private long From { get; set; }

    private DataPlaneServer Serve(string name, PartitionRange[] ranges)
    {
        var lead = ranges.Any(static range => range.Id == 0);
        var statistics = lead ? Statistics = new StatisticsBoard(Plan) : null;
        var norms = Plan.ClipsWholeSteps ? new NormBoard(Plan) : null;
        var own = ranges.ToDictionary(static range => range.Id, range => new Partition(Plan, range, 0, range.Id == 0 ? statistics : null, new PartitionEvents(this, range.Id), norms: norms));
        foreach (var (id, partition) in own)
        {
            _partitions.Add(id, partition);
        }

        var server = new DataPlaneServer("127.0.0.1", name, Plan.Token, Log.Enqueue);
        server.Serve(new ServedRun
        {
            Partitions = own,
            Statistics = statistics,
            Norms = norms,
            Evaluations = lead ? new EvaluationBoard(Plan, Evaluated) : null,
            LinkLost = static (_, _) => { },
        });
        return server;
    }

    private void Describe(WeightLine line)
    {
        _descriptions.Add(line);
        if (line.Step == Plan.TotalSteps)
        {
            _lastDescribed.SetResult();
        }
    }

    private void Evaluated(EvaluationOutcome outcome)
    {
        Units.Enqueue(outcome.Units);
        Evaluations.Enqueue((outcome.Version, outcome.Sums.Validation, outcome.Sums.Test));
        if (outcome.Last)
        {
            FinalVersion = Plan.EarlyStopping is { RestoreBest: true } && outcome.BestVersion > 0 ? outcome.BestVersion : outcome.Version;
            LastVersion = outcome.Version;
            _finished.TrySetResult(outcome.Sums.Test);
        }
    }

    private void Coordinate()
    {
        foreach (var action in _todo.GetConsumingEnumerable())
        {
            try
            {
                action();
            }
            catch (Exception problem)
            {
                _finished.TrySetException(problem);
            }
        }
    }

    private void Enqueue(Action action)
    {
        try
        {
            _todo.Add(action);
        }
        catch (InvalidOperationException)
        {
            // The test is over.
        }
    }

    /// <summary>A step loop with its way to the servers.</summary>
    internal sealed class Worker(string name, Route[] routes)
    {
        private bool _started;

        public string Name => name;

        public Route[] Routes => routes;

        public StepLoop Loop { get; set; } = null!;

        public void Start()
        {
            if (!_started)
            {
                _started = true;
                Loop.Start();
            }
        }
    }

    private sealed class WorkerEvents(MiniCluster cluster, Worker worker) : IStepLoopEvents
    {
        public void NotFinite(long step, LeafFinding finding) => cluster.Findings.Enqueue((step, finding));

        public void LinkLost(string server, string reason)
        {
            cluster.LostLinks.Enqueue((worker.Name, server, reason));
            cluster.Enqueue(() => (cluster.LinkLost ?? ((_, _) => cluster.AssignAnew()))(worker, reason));
        }

        public void Described(long version, ParameterSummary[] tensors)
        {
            lock (cluster._described)
            {
                cluster._described.Described(cluster.Plan, version, tensors);
            }
        }

        public void Pauses()
        {
        }

        public void Failed(long step, Exception cause) => cluster._finished.TrySetException(cause);
    }

    private sealed class PartitionEvents(MiniCluster cluster, int partition) : IPartitionEvents
    {
        public void StepApplied(long step, double lossSum, int rows, float learningRate, bool skipped)
        {
            if (skipped)
            {
                cluster.Skipped.Enqueue((partition, step));
            }

            if (partition == 0)
            {
                cluster.StepBeingApplied(step);
                cluster._losses.Enqueue(lossSum);
                cluster.Rates.Enqueue(learningRate);
                cluster.Enqueue(() => cluster.StepApplied(step));
            }
        }

        public void Measured(long step, int rows, double[] squares)
        {
            lock (cluster._described)
            {
                Assert.True(cluster._described.Measured(cluster.Plan, new Protocol.Partitions.Measured(new RunId("mini"), new PartitionId(partition), new StepId(step), rows, squares)));
            }
        }

        public void NotFinite(long step)
        {
            cluster.NotFinite.Enqueue((partition, step));
            if (cluster.NotFinite.Count == cluster.Plan.Ranges.Count)
            {
                cluster._finished.TrySetException(new NotFiniteNumberException($"step {step}"));
            }
        }

        public void Failed(long step, string reason) => cluster._finished.TrySetException(new InvalidOperationException(reason));

        public void SnapshotTaken(long version)
        {
        }

        public void Restored()
        {
        }
    }
}
