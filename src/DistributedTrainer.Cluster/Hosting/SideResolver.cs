using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.SBR;
using Akka.Event;
using Akka.Remote;
using static Akka.Cluster.ClusterEvent;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>Akka.NET's hook for what becomes of members that cannot be reached; named in <c>node.conf</c>.</summary>
public sealed class SideResolverProvider(ActorSystem system, Akka.Cluster.Cluster cluster) : IDowningProvider
{
    /// <summary>Before a coordinator takes the place of one that was taken out, which may need as long to see it.</summary>
    public TimeSpan DownRemovalMargin { get; } = new SplitBrainResolverProvider(system, cluster).DownRemovalMargin;

    /// <summary>The actor that decides.</summary>
    public Props DowningActorProps { get; } = Props.Create(() => new SideResolver(cluster, system.Settings.Config.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after", null, true)));
}

/// <summary>
/// Once this node has not reached others for a while, it takes them out of the cluster, or itself, as <see cref="Sides"/> says.
/// Akka.NET's own strategies know no roles but one: a coordinator that is cut off alone and those who train on without it
/// would both go on, and never meet again.
/// </summary>
internal sealed class SideResolver : ReceiveActor, IWithTimers
{
    // Looks until nothing has changed for long enough, and until that has been so for long.
    private const int Looks = 4;
    private const int LongLooks = 3 * Looks;

    private readonly Akka.Cluster.Cluster _cluster;
    private readonly TimeSpan _interval;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<UniqueAddress> _told = [];
    private HashSet<UniqueAddress> _unreachable = [];
    private int _unchanged;

    public SideResolver(Akka.Cluster.Cluster cluster, TimeSpan stableAfter)
    {
        (_cluster, _interval) = (cluster, stableAfter / Looks);

        // The cluster's own list of who is unreachable is later than these.
        Receive<CurrentClusterState>(state =>
        {
            _told.UnionWith(state.Unreachable.Where(static member => IsIn(member)).Select(static member => member.UniqueAddress));
            Watch();
        });
        Receive<UnreachableMember>(lost => Told(lost.Member, isLost: IsIn(lost.Member)));
        Receive<ReachableMember>(found => Told(found.Member, isLost: false));
        Receive<IMemberEvent>(changed => Told(changed.Member, isLost: IsIn(changed.Member) && _told.Contains(changed.Member.UniqueAddress)));
        Receive<LookDue>(_ => Look());
        Receive<ThisActorSystemQuarantinedEvent>(quarantined =>
        {
            // The coordinator has taken this node out, which has not heard of it. Any other one may be wrong.
            if (_cluster.State.Members.Any(member => member.HasRole("coordinator") && member.Address.Equals(quarantined.RemoteAddress)))
            {
                Leave($"{quarantined.RemoteAddress.Host}:{quarantined.RemoteAddress.Port} has taken this node out of the cluster");
            }
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _cluster.Subscribe(Self, SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(IReachabilityEvent), typeof(IMemberEvent));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        Context.System.EventStream.Unsubscribe(Self);
    }

    /// <summary>What this node sees itself. Of members that it does not watch, in a large cluster, others' word is taken.</summary>
    private HashSet<UniqueAddress> Unreachable() =>
    [
        .. _told.Where(member => !_cluster.FailureDetector.IsMonitoring(member.Address) || !_cluster.FailureDetector.IsAvailable(member.Address)),
    ];

    /// <summary>Whoever is being taken out already is nobody's question any more.</summary>
    private static bool IsIn(Member member) => member.Status is not MemberStatus.Down and not MemberStatus.Exiting and not MemberStatus.Removed;

    private void Told(Member member, bool isLost)
    {
        _ = isLost ? _told.Add(member.UniqueAddress) : _told.Remove(member.UniqueAddress);
        Watch();
    }

    private void Watch()
    {
        if (_told.Count == 0)
        {
            Timers.Cancel(LookDue.Instance);
            _unreachable = [];
        }
        else if (!Timers.IsTimerActive(LookDue.Instance))
        {
            Timers.StartPeriodicTimer(LookDue.Instance, LookDue.Instance, _interval);
        }
    }

    /// <summary>
    /// At regular times: what this node sees itself may change after others have told the same, and nobody tells that again.
    /// </summary>
    private void Look()
    {
        var unreachable = Unreachable();
        if (!unreachable.SetEquals(_unreachable))
        {
            (_unreachable, _unchanged) = (unreachable, 0);
        }
        else if (unreachable.Count > 0 && ++_unchanged % Looks == 0)
        {
            Decide();
        }
    }

    private void Decide()
    {
        var members = _cluster.State.Members
            .Where(IsIn)
            .Order(Comparer<Member>.Create(static (one, other) => one.IsOlderThan(other) ? -1 : other.IsOlderThan(one) ? 1 : 0)).ToArray();
        var self = Array.FindIndex(members, member => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress));
        var verdict = self < 0
            ? SideVerdict.Wait
            : Sides.Decide(
                [.. members.Select(member => new SideMember(
                    // Whoever is still joining does nothing yet.
                    member.Status is MemberStatus.Up or MemberStatus.Leaving ? [.. member.Roles] : [],
                    _unreachable.Contains(member.UniqueAddress), _cluster.State.SeenBy.Contains(member.Address)))],
                self,
                _unchanged >= LongLooks);
        var names = string.Join(", ", _unreachable.Select(static one => $"{one.Address.Host}:{one.Address.Port}"));
        if (verdict == SideVerdict.Leave)
        {
            Leave($"{names} cannot be reached, and the others go on without this node");
        }
        else if (verdict == SideVerdict.TakeOut)
        {
            _log.Warning("{0} cannot be reached: taken out of the cluster", names);
            foreach (var lost in _unreachable)
            {
                _cluster.Down(lost.Address);
            }
        }
    }

    private void Leave(string why)
    {
        _log.Warning("{0}", why);
        _cluster.Down(_cluster.SelfAddress);
    }

    private sealed class LookDue : INoSerializationVerificationNeeded
    {
        public static readonly LookDue Instance = new();
    }
}
