namespace DistributedTrainer.Hosting;

/// <summary>
/// What a host does: it trains an experiment, or it is a node of a cluster. Read from the configuration's section <c>DistributedTrainer</c>,
/// then changed by code; all that is wrong is reported when the host starts.
/// </summary>
public sealed class DistributedTrainerOptions
{
    /// <summary>The section of the configuration.</summary>
    public const string Section = "DistributedTrainer";

    /// <summary>The experiment file that is trained. Default: null.</summary>
    public string? Experiment { get; set; }

    /// <summary>Makes what is trained, in the place of <see cref="Experiment"/>: for experiments in C#. Default: null.</summary>
    public Func<IServiceProvider, Trainer>? CreateTrainer { get; set; }

    /// <summary>Keys of the experiment with other values, such as <c>training.epochs=5</c>.</summary>
    public IList<string> Set { get; } = [];

    /// <summary>The run's folder; where there is a run in it already that was interrupted, it goes on, and where one is done, its result is taken. Default: null, runs/NAME-TIMESTAMP.</summary>
    public string? RunDirectory { get; set; }

    /// <summary>host:port of a cluster that trains the experiment. Default: null, threads of this process.</summary>
    public string? ClusterAddress { get; set; }

    /// <summary>Whether the host stops when training is over. Default: yes.</summary>
    public bool StopHost { get; set; } = true;

    /// <summary>Any of coordinator, server, worker: then the host is a node of a cluster. Default: none.</summary>
    public IList<string> Roles { get; } = [];

    /// <summary>host:port of nodes of the cluster to join, with commas between them. Default: null, a new cluster begins here.</summary>
    public string? Join { get; set; }

    /// <summary>The address that other nodes reach this one under. Default: null, the one that leads to <see cref="Join"/>, or 127.0.0.1.</summary>
    public string? Host { get; set; }

    /// <summary>What it listens on, where that is another address than <see cref="Host"/>. Default: null.</summary>
    public string? Bind { get; set; }

    /// <summary>Port of the control plane. Default: 0, chosen by the system.</summary>
    public int Port { get; set; }

    /// <summary>Workers of this node, with that role. Default: 1.</summary>
    public int Workers { get; set; } = 1;

    /// <summary>A coordinator's folder for runs that name none. Default: runs.</summary>
    public string Runs { get; set; } = "runs";

    /// <summary>The folder of ca.crt, node.crt and node.key, where the cluster is encrypted. Default: null.</summary>
    public string? TlsDirectory { get; set; }

    /// <summary>Assemblies with layers and losses, beside those that this program uses anyway: files of this machine.</summary>
    public IList<string> Extensions { get; } = [];

    /// <summary>Whether the host is a node of a cluster.</summary>
    internal bool IsNode => Roles.Count > 0;

    /// <summary>All that is wrong; null: nothing.</summary>
    internal string? Problem()
    {
        string[] known = ["coordinator", "server", "worker"];
        var trains = Experiment is not null || CreateTrainer is not null;
        var problems = new List<string>();
        if (trains == IsNode)
        {
            problems.Add(IsNode ? "Roles and an experiment are both there: a node waits for experiments. Remove one of them." : "there is neither an experiment (Experiment, CreateTrainer) nor Roles. Give one of them.");
        }

        if (Experiment is not null && CreateTrainer is not null)
        {
            problems.Add("Experiment and CreateTrainer are both there. Remove one of them.");
        }

        if (Roles.Except(known).ToArray() is { Length: > 0 } unknown)
        {
            problems.Add($"Roles: '{string.Join(", ", unknown)}' is no role. Possible are {string.Join(", ", known)}.");
        }

        if (IsNode && Join is null && !Roles.Contains("coordinator"))
        {
            problems.Add("Join is missing: without a cluster to join, a node has the role coordinator.");
        }

        if (Workers is < 1 or > 1024 || Port is < 0 or > ushort.MaxValue)
        {
            problems.Add($"Workers is {Workers} and Port {Port}; possible are 1 to 1024, and 0 to {ushort.MaxValue}.");
        }

        return problems.Count == 0 ? null : $"{Section}: {string.Join(" ", problems)}";
    }
}
