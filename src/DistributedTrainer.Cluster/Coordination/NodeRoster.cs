using Akka.Actor;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A worker as the coordinator knows it.</summary>
internal sealed class WorkerEntry(WorkerId id, int threads)
{
    public WorkerId Id { get; } = id;

    /// <summary>As many shards it computes at once.</summary>
    public int Threads { get; } = Math.Max(1, threads);

    /// <summary>Whether shards may be given to it.</summary>
    public bool Usable
    {
        get => field && Problem is null;
        set;
    } = true;

    /// <summary>Why it never gets shards in this run; null: it may.</summary>
    public string? Problem { get; set; }

    /// <summary>When its connection was last found broken, while it is not usable.</summary>
    public TimeSpan? CutOffAt { get; set; }

    /// <summary>How it reaches the servers.</summary>
    public WorkerLinks Links { get; } = new();

    public string State { get; set; } = "ready";

    /// <summary>What its steps cost; null: it has not told.</summary>
    public StepCosts? Costs { get; private set; }

    public long Rows { get; private set; }

    public double RowsPerSecond { get; private set; }

    private TimeSpan? _heardAt;

    public void Heard(Protocol.Workers.Status status, TimeSpan now)
    {
        if (_heardAt is { } before && now > before && status.RowsComputed >= Rows)
        {
            RowsPerSecond = (status.RowsComputed - Rows) / (now - before).TotalSeconds;
        }

        (Rows, State, Costs, _heardAt) = (status.RowsComputed, status.State, status.Costs, now);
        Links.Told(status);
    }
}

/// <summary>A node as the coordinator knows it.</summary>
internal sealed class NodeEntry(Nodes.Register registration, IActorRef agent)
{
    public NodeId Id => registration.Node;

    public Nodes.Register Registration => registration;

    public IActorRef Agent { get; set; } = agent;

    /// <summary>Whether it fetches the rows of shards that it is given; otherwise it has all.</summary>
    public bool FetchesRows { get; set; }

    /// <summary>host:port of the control plane.</summary>
    public string Address => $"{Agent.Path.Address.Host}:{Agent.Path.Address.Port}";

    /// <summary>Whether it has read the data of the current run.</summary>
    public bool Ready { get; set; }

    /// <summary>Why it cannot take part in the run; null: it can, as far as is known.</summary>
    public string? Problem { get; set; }

    public bool IsUnfit => Problem is not null;

    public string[] DataAddresses { get; set; } = [];

    public int[] Partitions { get; set; } = [];

    /// <summary>What the steps cost here, as the lead partition tells it; null: it has not told, or is elsewhere.</summary>
    public StepCosts? Costs { get; set; }

    public bool IsServer => registration.Roles.Contains("server");

    public IReadOnlyList<WorkerEntry> Workers { get; private set; } = [];

    public void Reset()
    {
        (Ready, Problem, FetchesRows, DataAddresses, Partitions, Costs) = (false, null, false, [], [], null);
        Workers = [.. Enumerable.Range(0, registration.Workers).Select(i => new WorkerEntry(new WorkerId($"{registration.Node}/{i}"), registration.Threads))];
    }

    public IEnumerable<NodeView> Views(ShardAssignment? assignment)
    {
        if (IsServer)
        {
            var state = IsUnfit ? "unfit" : !Ready ? "preparing" : Partitions.Length > 0 ? "serving" : "standby";
            yield return new NodeView(Id.Value, "server", registration.Host, registration.ProcessId, state, Partitions, 0, Address, DataAddresses, Costs);
        }

        foreach (var worker in Workers)
        {
            var state = IsUnfit || worker.Problem is not null ? "unfit" : !Ready ? "preparing" : worker.Usable ? worker.State : "cut off";
            yield return new NodeView(
                worker.Id.Value, "worker", registration.Host, registration.ProcessId, state, assignment?.ShardsOf(worker.Id) ?? [], worker.RowsPerSecond, Address, [], worker.Costs, worker.Threads);
        }
    }
}

/// <summary>The nodes of the cluster in the order of their coming.</summary>
internal sealed class NodeRoster
{
    private readonly List<NodeEntry> _nodes = [];

    public IReadOnlyList<NodeEntry> Nodes => _nodes;

    public IReadOnlyList<WorkerId> UsableWorkers =>
        [.. _nodes.Where(static node => node.Ready).SelectMany(static node => node.Workers).Where(static worker => worker.Usable).Select(static worker => worker.Id)];

    public NodeEntry? Find(NodeId id) => _nodes.Find(node => node.Id == id);

    public NodeEntry? FindProcess(int processId, string host) =>
        _nodes.Find(node => node.Registration.ProcessId == processId && node.Registration.Host == host);

    public NodeEntry? NodeOf(WorkerId worker) => _nodes.Find(node => node.Workers.Any(entry => entry.Id == worker));

    public WorkerEntry? Worker(WorkerId worker) => _nodes.SelectMany(static node => node.Workers).FirstOrDefault(entry => entry.Id == worker);

    /// <summary>Threads of a worker; of one that is gone, 1.</summary>
    public int ThreadsOf(WorkerId worker) => Worker(worker)?.Threads ?? 1;

    public NodeEntry Add(Nodes.Register registration, IActorRef agent)
    {
        var node = new NodeEntry(registration, agent);
        node.Reset();
        _nodes.Add(node);
        return node;
    }

    public void Remove(NodeEntry node) => _nodes.Remove(node);
}
