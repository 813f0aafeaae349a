using System.CommandLine;
using System.Net;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary>What a node is told, by its command line or, where that is silent, by the environment.</summary>
internal sealed class NodeSettings
{
    /// <summary>Stands for the experiment that is part of the program.</summary>
    public const string Embedded = "digits";

    private const string OwnName = "hostname";

    private static readonly string[] KnownRoles = ["coordinator", "server", "worker"];

    private readonly Option<string?> _roles = new("--roles") { Description = "Any of coordinator, server, worker, with commas between them. Or DTRAIN_ROLES.", HelpName = "a,b" };
    private readonly Option<string?> _join = new("--join") { Description = "Nodes of the cluster to join, with commas between them. Without, or with its own address among them when no other answers: a new cluster begins here. Or DTRAIN_JOIN.", HelpName = "HOST:PORT,…" };
    private readonly Option<string?> _host = new("--host") { Description = "The address or name that other nodes reach this one under; hostname: the name that this machine gives itself. Default: DTRAIN_HOST, or the address of this machine that leads to --join; 127.0.0.1 without.", HelpName = "ADDRESS" };
    private readonly Option<string?> _bind = new("--bind") { Description = "What it listens on, where that is another address than --host, such as 0.0.0.0. Or DTRAIN_BIND.", HelpName = "ADDRESS" };
    private readonly Option<int?> _port = new("--port") { Description = "Port of the control plane. Default: DTRAIN_PORT, or 0: the system chooses." };
    private readonly Option<int?> _workers = new("--workers") { Description = "Workers of this node, with the worker role, each with parameters of its own; see --workers-per-node. Default: DTRAIN_WORKERS, or 1." };
    private readonly Option<string?> _config = new("--config") { Description = "A HOCON file whose settings override those built in (cluster-config). Or DTRAIN_CONFIG.", HelpName = "FILE" };
    private readonly Option<int?> _health = new("--health-port") { Description = "Answers GET /health/live and /health/ready at this port. Default: DTRAIN_HEALTH_PORT, or nowhere." };
    private readonly Option<int?> _metrics = new("--metrics-port") { Description = "Answers Prometheus at this port under /metrics; it may be that of --health-port. Default: DTRAIN_METRICS_PORT, or nowhere." };
    private readonly Option<string?> _runs = new("--runs") { Description = "A coordinator's folder for runs that name none. Default: DTRAIN_RUNS, or runs.", HelpName = "DIR" };
    private readonly Option<bool> _goOn = new("--go-on") { Description = "A coordinator that finds a run in its folder which was interrupted together with all nodes goes on with it. Or DTRAIN_GO_ON=true." };
    private readonly Option<string?> _begin = new("--begin") { Description = "An experiment that the coordinator begins by itself, once, and goes on with: a file, or digits for the embedded one. Or DTRAIN_EXPERIMENT.", HelpName = "EXPERIMENT" };

    private readonly WorkersPerNodeOption _threads = new();
    private readonly TlsOption _tls = new();

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_roles, _join, _host, _bind, _port, _workers, _config, _health, _metrics, _runs, _goOn, _begin])
        {
            command.Options.Add(option);
        }

        _threads.AddTo(command);
        _tls.AddTo(command);
    }

    /// <summary>The port of the health endpoint; null: none.</summary>
    public int? HealthPort(ParseResult parsed) => parsed.GetValue(_health) ?? EnvironmentSettings.OfThisProcess.Number("DTRAIN_HEALTH_PORT");

    /// <summary>The port where Prometheus asks; null: none.</summary>
    public int? MetricsPort(ParseResult parsed) => parsed.GetValue(_metrics) ?? EnvironmentSettings.OfThisProcess.Number("DTRAIN_METRICS_PORT");

    /// <summary>How a host is called that is to be reached from others.</summary>
    /// <param name="given">By the command line.</param>
    /// <param name="join">Whom it joins.</param>
    public static string HostOf(string? given, string? join) =>
        (given ?? EnvironmentSettings.OfThisProcess["DTRAIN_HOST"]) switch
        {
            null => LocalAddress.Towards(join),
            OwnName => Dns.GetHostName(),
            var host => host,
        };

    /// <summary>All of it; null: it is wrong, and standard error says why.</summary>
    public NodeOptions? Of(ParseResult parsed)
    {
        var environment = EnvironmentSettings.OfThisProcess;
        var roles = (parsed.GetValue(_roles) ?? environment["DTRAIN_ROLES"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var unknown = roles.Except(KnownRoles).ToArray();
        if (unknown.Length > 0 || roles.Length == 0)
        {
            Console.Error.WriteLine($"--roles: '{string.Join(',', unknown)}' is no role. Write any of {string.Join(", ", KnownRoles)}.");
            return null;
        }

        var join = parsed.GetValue(_join) ?? environment["DTRAIN_JOIN"];
        var runs = parsed.GetValue(_runs) ?? environment["DTRAIN_RUNS"] ?? "runs";
        var begin = parsed.GetValue(_begin) ?? environment["DTRAIN_EXPERIMENT"];
        var orders = new StandingOrders { Runs = runs };
        if (!roles.Contains("coordinator") || (begin is null && !parsed.GetValue(_goOn) && environment["DTRAIN_GO_ON"] != "true"))
        {
            orders = null;
        }
        else if (begin is not null)
        {
            if (ExperimentArguments.Load(begin == Embedded ? null : begin, []) is not var (experiment, baseDirectory))
            {
                return null;
            }

            // Another experiment has another folder, and is begun too.
            var folder = Path.Combine(runs, $"{experiment.Name}-{ExperimentIdentity.Sha256(experiment)[..8]}");
            orders = orders with { First = ExperimentArguments.Submission(experiment, baseDirectory, folder, endCluster: false) };
        }

        var host = HostOf(parsed.GetValue(_host), join);
        if (!_threads.Read(parsed, out var threads) || !_tls.Read(parsed, out var certificates))
        {
            return null;
        }

        if (certificates?.ProblemUnder(host) is { } problem)
        {
            Console.Error.WriteLine(problem);
            return null;
        }

        return new NodeOptions
        {
            Roles = roles,
            Join = join,
            Host = host,
            Certificates = certificates,
            Bind = parsed.GetValue(_bind) ?? environment["DTRAIN_BIND"],
            Port = parsed.GetValue(_port) ?? environment.Number("DTRAIN_PORT") ?? 0,
            Threads = threads,
            Workers = parsed.GetValue(_workers) ?? environment.Number("DTRAIN_WORKERS") ?? 1,
            ConfigFile = parsed.GetValue(_config) ?? environment["DTRAIN_CONFIG"],
            Runs = runs,
            Orders = orders,
        };
    }
}
