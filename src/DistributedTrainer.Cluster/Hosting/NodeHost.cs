using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Hosting.Tls;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>One process of a cluster: an actor system with a node agent, and a coordinator where it has that role.</summary>
public sealed class NodeHost : IAsyncDisposable
{
    private const string SystemName = "dtrain";

    private const string TakenOut = "the node was taken out of the cluster";

    // Beyond it a node that is not let in begins anew no more rarely.
    private static readonly TimeSpan LongestJoinLimit = TimeSpan.FromMinutes(10);

    // Leaving in good order takes about a second.
    private static readonly TimeSpan LeaveLimit = TimeSpan.FromSeconds(4);

    // With the time to leave less than the ten seconds that a container has.
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(4);

    private readonly ActorSystem _system;
    private readonly IActorRef _coordinator;
    private readonly IActorRef _agent = ActorRefs.Nobody;
    private readonly NodeOptions _options;
    private readonly NodeHealth _health;
    private readonly NodeMeter? _meter;
    private readonly ILogger _life;
    private readonly NodeId? _name;
    private readonly ConcurrentDictionary<string, bool> _known = [];
    private volatile bool _isGivenUp;
    private readonly TaskCompletionSource<string> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NodeHost(ActorSystem system, NodeOptions options, ILoggerFactory logging)
    {
        (_system, _options) = (system, options);
        var cluster = Akka.Cluster.Cluster.Get(system);
        var own = cluster.SelfAddress;
        var figures = new NodeFigures(NameOf(options.Roles.FirstOrDefault() ?? "visitor", own, Environment.ProcessId), options.Roles)
        {
            Members = () => cluster.State.Members.SelectMany(static member => member.Roles).GroupBy(static role => role).Select(static role => KeyValuePair.Create(role.Key, role.Count())),
        };
        _meter = options.Roles.Count == 0 ? null : new NodeMeter(figures);
        var logger = new NodeLogger(logging.CreateLogger(LogTexts.Node), figures);
        _life = new NodeLogger(logging.CreateLogger(LogTexts.Life), figures);
        var log = logger.Lines();
        system.ActorOf(NodeLog.Props(new NodeLogger(logging.CreateLogger(LogTexts.Actors), figures), options.Certificates is null), "log");
        system.ActorOf(DeadNodeWatch.Props(logger.Lines(LogLevel.Warning)), "dead-nodes");
        system.ActorOf(CameBack.Props(options.CameBack && options.Roles.Contains("coordinator"), address => _known[address] = true, log), "came-back");
        system.ActorOf(
            JoinWatch.Props(options.JoinLimit, other =>
            {
                log(FormattableString.Invariant($"{other.Host}:{other.Port} is connected, and the node was not let into the cluster for {options.JoinLimit.TotalSeconds:0.#} s: it begins anew"));
                _isGivenUp = true;
                system.Terminate();
            }),
            "joining");
        Address = $"{own.Host}:{own.Port}";
        if (options.Roles.Contains("coordinator"))
        {
            system.ActorOf(
                ClusterSingletonManager.Props(
                    CoordinatorActor.Props(options.Runs, options.Orders, options.Bind, options.Certificates, new NodeLogger(logging.CreateLogger(LogTexts.Coordinator), figures), figures),
                    PoisonPill.Instance,
                    ClusterSingletonManagerSettings.Create(system)),
                "coordinator");
        }

        _health = new NodeHealth(system, options.Roles, TimeProvider.System);
        _coordinator = system.ActorOf(ClusterSingletonProxy.Props("/user/coordinator", ClusterSingletonProxySettings.Create(system)), "coordinator-proxy");
        if (options.Roles.Any(static role => role is "server" or "worker"))
        {
            _name = figures.Node;
            _agent = system.ActorOf(NodeAgent.Props(options, _name.Value, _coordinator, logger, reason => _completion.TrySetResult(reason), _health.HeardOfCoordinator, figures), "node");
        }

        system.WhenTerminated.ContinueWith(
            _ =>
            {
                _meter?.Dispose();
                _completion.TrySetResult(TakenOut);
            },
            TaskScheduler.Default);
    }

    /// <summary>For tests that take a node away as a crash does.</summary>
    internal ActorSystem Actors => _system;

    /// <summary>host:port of the control plane, which other nodes join.</summary>
    public string Address { get; }

    /// <summary>Ends when the node was told to stop or was taken out of the cluster; says why.</summary>
    public Task<string> Completion => _completion.Task;

    /// <summary>
    /// How the node comes back, once it has completed: under its address, to those that it knows. Null: it was told to stop.
    /// </summary>
    public NodeOptions? Return
    {
        get
        {
            if (!_completion.Task.IsCompletedSuccessfully || _completion.Task.Result != TakenOut)
            {
                return null;
            }

            string[] join = [.. (_options.Join?.Split(',') ?? []).Concat(_known.Keys.Order(StringComparer.Ordinal)).Distinct().Where(other => other != Address)];
            return _options with
            {
                Port = int.Parse(Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture),
                Join = string.Join(',', _options.Roles.Contains("coordinator") ? [.. join, Address] : join),
                CameBack = true,
                JoinLimit = !_isGivenUp ? NodeOptions.FirstJoinLimit : _options.JoinLimit * 2 < LongestJoinLimit ? _options.JoinLimit * 2 : LongestJoinLimit,
            };
        }
    }

    /// <summary>Names a node as no other of its cluster: containers often have the same port and process. On the machine itself without the host.</summary>
    /// <param name="role">Its first role.</param>
    /// <param name="own">Its address.</param>
    /// <param name="process">Its process.</param>
    internal static NodeId NameOf(string role, Address own, int process)
    {
        var host = IPAddress.TryParse(own.Host, out var address) && IPAddress.IsLoopback(address) ? "" : $"{own.Host.Replace(':', '.')}-";
        return new NodeId($"{role}-{host}{own.Port}-{process}");
    }

    /// <summary>Starts a node; returns when it listens, before it is a member.</summary>
    /// <param name="options">What it is.</param>
    /// <param name="log">Receives what an operator wants to know, where the options name no other place; null: nobody.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="ArgumentException">The options contradict each other.</exception>
    public static Task<NodeHost> StartAsync(NodeOptions options, Action<string>? log, CancellationToken cancel)
    {
        if (options.Join is null && !options.Roles.Contains("coordinator"))
        {
            throw new ArgumentException("node: without a cluster to join, the node must have the coordinator role. Write --join HOST:PORT, or add the role.");
        }

        cancel.ThrowIfCancellationRequested();
        var seeds = options.Join?.Split(',').Select(AddressOf).ToList() ?? [];
        var logging = options.Logging ?? (log is null ? NullLoggerFactory.Instance : new LineLoggerFactory(log));
        var system = CreateSystem(options, logging);
        var cluster = Akka.Cluster.Cluster.Get(system);

        // Settings may put TLS, or in tests what harms messages, below: that is part of an address.
        seeds = [.. seeds.Select(seed => seed.WithProtocol(cluster.SelfAddress.Protocol))];
        if (seeds.Count == 0)
        {
            cluster.Join(cluster.SelfAddress);
        }
        else
        {
            // Whoever names itself may found the cluster, if none of the others answers: itself first, as Akka.NET asks.
            cluster.JoinSeedNodes(seeds.OrderByDescending(seed => seed.Equals(cluster.SelfAddress)));
        }

        return Task.FromResult(new NodeHost(system, options, logging));
    }

    /// <summary>Tells of the node's own life: that it listens, that it ends.</summary>
    public void Say(string text) => _life.Say(LogLevel.Information, text);

    /// <summary>Ends when this node is a member of the cluster.</summary>
    /// <exception cref="TimeoutException">Nobody let it in within the limit.</exception>
    public async Task JoinedAsync(TimeSpan limit)
    {
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Akka.Cluster.Cluster.Get(_system).RegisterOnMemberUp(() => up.TrySetResult());
        await up.Task.WaitAsync(limit);
    }

    /// <summary>Tells the coordinator something.</summary>
    public void Tell(IProtocolMessage message) => _coordinator.Tell(message, ActorRefs.NoSender);

    /// <summary>Submits an experiment and yields what the coordinator says of it; the last is Rejected or Ended, unless the node is taken out of the cluster.</summary>
    public IAsyncEnumerable<IProtocolMessage> Submit(Submissions.Submit submit, CancellationToken cancel) => Listen(submit, null, cancel);

    /// <summary>Yields what the coordinator says of a run that was accepted before, as above.</summary>
    public IAsyncEnumerable<IProtocolMessage> Follow(Submissions.Watch watch, CancellationToken cancel) => Listen(watch, watch, cancel);

    /// <summary>Asks for other settings and yields what the coordinator says to it; the last is Changed or NotChanged, unless the node is taken out of the cluster.</summary>
    public IAsyncEnumerable<IProtocolMessage> Change(Submissions.Change change, CancellationToken cancel) => Listen(change, change, cancel);

    /// <summary>Asks the coordinator something that is answered by one message.</summary>
    /// <param name="question">What.</param>
    /// <param name="limit">How long the answer is waited for.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>The answer; null: none has come, or the node was taken out of the cluster.</returns>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public async Task<IProtocolMessage?> AskAsync(IProtocolMessage question, TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            var answer = _coordinator.Ask<IProtocolMessage>(question, limit, cancel);
            return await Task.WhenAny(answer, _completion.Task) == answer ? await answer : null;
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    private async IAsyncEnumerable<IProtocolMessage> Listen(IProtocolMessage ask, IProtocolMessage? repeated, [EnumeratorCancellation] CancellationToken cancel)
    {
        var heard = Channel.CreateUnbounded<IProtocolMessage>();
        var listener = _system.ActorOf(Props.Create(() => new Listener(heard.Writer, _coordinator, repeated)));
        _coordinator.Tell(ask, listener);

        // Out of the cluster nothing is heard any more.
        _ = _system.WhenTerminated.ContinueWith(_ => heard.Writer.TryComplete(), TaskScheduler.Default);
        try
        {
            await foreach (var message in heard.Reader.ReadAllAsync(cancel))
            {
                yield return message;
                if (message is Submissions.Rejected or Submissions.Ended or Submissions.Changed or Submissions.NotChanged)
                {
                    yield break;
                }
            }
        }
        finally
        {
            _system.Stop(listener);
        }
    }

    /// <summary>Frees what the node holds (sockets, threads); <see cref="Completion"/> follows.</summary>
    public void Stop(string reason)
    {
        if (_agent.IsNobody())
        {
            _completion.TrySetResult(reason);
        }
        else
        {
            _agent.Tell(new Nodes.Shutdown(reason));
        }
    }

    /// <summary>How it is.</summary>
    public Task<NodeCondition> CheckAsync() => _health.CheckAsync();

    /// <summary>
    /// Before an end in good order: returns when nothing is lost with this node, be it that a checkpoint is written, or after some
    /// seconds.
    /// </summary>
    public async Task SettleAsync()
    {
        try
        {
            if (_options.Roles.Contains("coordinator"))
            {
                var here = await _system.ActorSelection("/user/coordinator/coordinator").ResolveOne(SettleLimit);
                await here.Ask<CoordinatorActor.Left>(CoordinatorActor.LeaveInOrder.Instance, SettleLimit);
            }
            else if (_name is { } node)
            {
                await _coordinator.Ask<Nodes.MayLeave>(new Nodes.Leaving(node), SettleLimit);
            }
        }
        catch (ActorNotFoundException)
        {
            // Another node has the coordinator.
        }
        catch (AskTimeoutException)
        {
            // There is no coordinator, a server does not answer, or the disk is slow: the checkpoint before stays.
        }
    }

    /// <summary>Leaves the cluster and ends the actor system; where members are dead the others cannot agree, and it goes without.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAny(_system.Terminate(), Task.Delay(LeaveLimit));

    private static Address AddressOf(string text)
    {
        var parts = text.Split(':');
        return parts.Length == 2 && parts[0].Length > 0 && ushort.TryParse(parts[1], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var port)
            ? new Address("akka.tcp", SystemName, parts[0], port)
            : throw new ArgumentException($"node: '{text}' is no address. Write HOST:PORT, such as 10.0.0.1:4053.");
    }

    private static ActorSystem CreateSystem(NodeOptions options, ILoggerFactory logging)
    {
        try
        {
            ActorSystemSetup setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(Configuration(options, logging)));
            return ActorSystem.Create(SystemName, options.Certificates is { } certificates ? setup.And(new TlsSetup(certificates, logging.CreateLogger(LogTexts.Actors).Lines(LogLevel.Warning))) : setup);
        }
        catch (Exception problem) when (Causes(problem).OfType<System.Net.Sockets.SocketException>().FirstOrDefault() is { } cause)
        {
            throw new ArgumentException($"node: {options.Bind ?? options.Host}:{options.Port} cannot be listened at: {cause.Message}. Choose another --host or --port; port 0 lets the system choose.", problem);
        }
        catch (Exception problem) when (options.ConfigFile is not null && problem is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"node: the settings {options.ConfigFile} cannot be read: {problem.Message}", problem);
        }
    }

    private static IEnumerable<Exception> Causes(Exception problem)
    {
        for (Exception? cause = problem; cause is not null; cause = cause.InnerException)
        {
            yield return cause is AggregateException { InnerExceptions: [var only] } ? only : cause;
        }
    }

    private static Config Configuration(NodeOptions options, ILoggerFactory logging)
    {
        // One level rougher than the node's own: what the actor system holds for worth knowing are its inner affairs.
        var actors = logging.CreateLogger(LogTexts.Actors);
        var level = actors.IsEnabled(LogLevel.Trace) ? "DEBUG" : actors.IsEnabled(LogLevel.Debug) ? "INFO" : "WARNING";
        var roles = string.Join(", ", options.Roles.Select(static role => $"\"{role}\""));
        var own = ConfigurationFactory.ParseString($$"""
            akka.remote.dot-netty.tcp { hostname = "{{options.Bind ?? options.Host}}", public-hostname = "{{options.Host}}", port = {{options.Port}} }
            akka.cluster.roles = [{{roles}}]
            """);
        if (options.Certificates is not null)
        {
            own = ConfigurationFactory.ParseString($"akka.remote.dot-netty.tcp.transport-class = \"{TlsTransport.TypeName}\"").WithFallback(own);
        }

        var file = options.ConfigFile is null ? own : own.WithFallback(ConfigurationFactory.ParseString(File.ReadAllText(options.ConfigFile)));

        // A file that names a level means it.
        file = file.WithFallback(ConfigurationFactory.ParseString($"akka.loglevel = {level}"));
        return options.Roles.Append("node").Aggregate(file, static (config, name) => config.WithFallback(BuiltIn(name))).WithFallback(ClusterSingleton.DefaultConfig());
    }

    /// <summary>One of the files in cluster-config, which are part of the program.</summary>
    private static Config BuiltIn(string name)
    {
        using var reader = new StreamReader(typeof(NodeHost).Assembly.GetManifestResourceStream($"{name}.conf")!);
        return ConfigurationFactory.ParseString(reader.ReadToEnd());
    }

    /// <summary>Passes on what it is told.</summary>
    private sealed class Listener : ReceiveActor, IWithTimers
    {
        private static readonly TimeSpan RepeatInterval = TimeSpan.FromSeconds(1);

        private readonly IProtocolMessage? _repeated;

        public Listener(ChannelWriter<IProtocolMessage> heard, ICanTell coordinator, IProtocolMessage? repeated)
        {
            _repeated = repeated;
            Receive<Submissions.Watch>(watch => coordinator.Tell(watch, Self));
            Receive<Submissions.Change>(change => coordinator.Tell(change, Self));
            Receive<IProtocolMessage>(message =>
            {
                if (message is Submissions.Accepted accepted)
                {
                    Repeat(new Submissions.Watch(accepted.Run, accepted.RunDirectory));
                }

                heard.TryWrite(message);
            });
        }

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart()
        {
            if (_repeated is not null)
            {
                Repeat(_repeated);
            }
        }

        // A coordinator that begins anew knows nobody who watches, or wants something.
        private void Repeat(IProtocolMessage message) => Timers.StartPeriodicTimer(message.GetType(), message, RepeatInterval);
    }
}
