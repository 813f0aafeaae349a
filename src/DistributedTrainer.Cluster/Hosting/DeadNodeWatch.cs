using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Takes members out of the cluster whose process is dead. A connection that ends may mean anything; when nobody listens at
/// the other end either, the process is gone. Otherwise its member would stay for twenty seconds, until the failure detector
/// and <see cref="SideResolver"/> are through: so long nobody else could join or leave, and several deaths in that time would
/// look like a network that falls apart.
/// </summary>
internal sealed class DeadNodeWatch : ReceiveActor
{
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);

    // Those that were found dead: several looks may be under way, and the cluster takes a moment to take a member out.
    private readonly HashSet<UniqueAddress> _dead = [];

    /// <param name="log">Told of each.</param>
    /// <param name="isRefused">Whether a connection to host and port is refused, which only the system there can do.</param>
    public DeadNodeWatch(Action<string> log, Func<string, int, Task<bool>> isRefused)
    {
        Receive<DisassociatedEvent>(ended => Look(ended.RemoteAddress));
        Receive<ClusterEvent.UnreachableMember>(unreachable => Look(unreachable.Member.Address));
        Receive<ClusterEvent.CurrentClusterState>(_ => { });
        Receive<Looked>(looked =>
        {
            // Another process may have come to the address meanwhile.
            _dead.RemoveWhere(gone => _cluster.State.Members.All(member => !member.UniqueAddress.Equals(gone)));
            if (looked.Refused && Living(looked.Address)?.UniqueAddress.Equals(looked.Member) == true && _dead.Add(looked.Member))
            {
                log($"{looked.Address.Host}:{looked.Address.Port} is dead: nobody listens there any more");

                // Quarantine alone is no end, and the end alone would wait for the failure detector: a new process under the same
                // address could not join so long.
                ((IRemoteActorRefProvider)((ExtendedActorSystem)Context.System).Provider).Quarantine(looked.Address, looked.Member.Uid);
                _cluster.Down(looked.Address);
            }
        });

        void Look(Address address)
        {
            if (Living(address) is { } member && address is { Host: { } host, Port: { } port })
            {
                isRefused(host, port).PipeTo(Self, success: refused => new Looked(address, member.UniqueAddress, refused));
            }
        }
    }

    public static Props Props(Action<string> log) => Akka.Actor.Props.Create(() => new DeadNodeWatch(log, IsRefused));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.UnreachableMember));
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _cluster.Unsubscribe(Self);
    }

    /// <summary>The member at this address, if it is not on its way out already.</summary>
    private Member? Living(Address address) =>
        _cluster.State.Members.FirstOrDefault(member => member.Address.Equals(address) && member.Status is not MemberStatus.Down and not MemberStatus.Exiting and not MemberStatus.Removed);

    private static async Task<bool> IsRefused(string host, int port)
    {
        using var probe = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await probe.ConnectAsync(host, port, limit.Token);
            return false;
        }
        catch (SocketException problem)
        {
            return problem.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException)
        {
            // A host that does not answer: nothing is known of the process.
            return false;
        }
    }

    private sealed record Looked(Address Address, UniqueAddress Member, bool Refused) : INoSerializationVerificationNeeded;
}
