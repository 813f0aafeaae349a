using Akka.Actor;
using Akka.Cluster;
using static Akka.Cluster.ClusterEvent;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Remembers where the cluster is, for a node that is taken out of it and comes back. A coordinator that came back and found
/// nobody has founded a cluster, which the other one would never meet: as long as it is alone it looks again.
/// </summary>
internal sealed class CameBack : ReceiveActor, IWithTimers
{
    // Whoever was started anew meanwhile, and looks for a cluster, has found this one by then.
    private static readonly TimeSpan AloneFor = TimeSpan.FromSeconds(25);

    public CameBack(bool looksAgain, Action<string> known, Action<string> log)
    {
        var cluster = Akka.Cluster.Cluster.Get(Context.System);
        Receive<MemberUp>(up => Note(up.Member));
        Receive<AloneDue>(_ =>
        {
            if (!cluster.State.Members.Any(static member => IsOfTraining(member)))
            {
                log("alone: looking for the cluster again");
                cluster.Down(cluster.SelfAddress);
            }
        });
        cluster.Subscribe(Self, SubscriptionInitialStateMode.InitialStateAsEvents, typeof(MemberUp));
        if (looksAgain)
        {
            Timers.StartPeriodicTimer(AloneDue.Instance, AloneDue.Instance, AloneFor);
        }

        // Workers come and go, and whoever submits goes.
        void Note(Member member)
        {
            if (member.HasRole("server") || member.HasRole("coordinator"))
            {
                known($"{member.Address.Host}:{member.Address.Port}");
            }
        }
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(bool looksAgain, Action<string> known, Action<string> log) => Akka.Actor.Props.Create(() => new CameBack(looksAgain, known, log));

    protected override void PostStop() => Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);

    private static bool IsOfTraining(Member member) => member.HasRole("server") || member.HasRole("worker");

    private sealed class AloneDue : INoSerializationVerificationNeeded
    {
        public static readonly AloneDue Instance = new();
    }
}
