using Akka.Actor;
using Akka.Remote;
using static Akka.Cluster.ClusterEvent;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Gives a node up that is connected to others and yet not let in. Where a node comes back under its address at once, both
/// ends may connect to each other at the same moment, while the connection of the node that was there before comes to its end:
/// then Akka.NET's remoting may be left with one end that writes where the other has stopped reading, for ever. New
/// connections, with a new actor system, are the only way out of that.
/// </summary>
internal sealed class JoinWatch : ReceiveActor, IWithTimers
{
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);

    /// <param name="limit">From the first connection on.</param>
    /// <param name="givenUp">Told when it is over.</param>
    public JoinWatch(TimeSpan limit, Action<Address> givenUp)
    {
        // Whoever answers nothing has no connection; it may be started later.
        Receive<AssociatedEvent>(associated =>
        {
            if (!Timers.IsTimerActive(LimitReached.Key))
            {
                Timers.StartSingleTimer(LimitReached.Key, new LimitReached(associated.RemoteAddress), limit);
            }
        });
        Receive<LimitReached>(reached => givenUp(reached.Address));

        // As soon as it is in the list: who is Up is the others' decision, and may take longer.
        Receive<IMemberEvent>(change =>
        {
            if (change.Member.UniqueAddress.Equals(_cluster.SelfUniqueAddress))
            {
                Context.Stop(Self);
            }
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(TimeSpan limit, Action<Address> givenUp) => Akka.Actor.Props.Create(() => new JoinWatch(limit, givenUp));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(AssociatedEvent));
        _cluster.Subscribe(Self, SubscriptionInitialStateMode.InitialStateAsEvents, typeof(IMemberEvent));
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _cluster.Unsubscribe(Self);
    }

    private sealed record LimitReached(Address Address) : INoSerializationVerificationNeeded
    {
        public const string Key = "limit";
    }
}
