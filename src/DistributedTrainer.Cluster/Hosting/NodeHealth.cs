using Akka.Actor;
using Akka.Cluster;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>How a node is.</summary>
/// <param name="IsAlive">Its actors answer. If not, only a new process helps.</param>
/// <param name="IsReady">It is a member of the cluster, and its coordinator knows it. If not, it is starting, or looks for the cluster.</param>
/// <param name="Text">The same for a person.</param>
public sealed record NodeCondition(bool IsAlive, bool IsReady, string Text);

/// <summary>What whoever looks after processes asks a node.</summary>
/// <param name="system">The node.</param>
/// <param name="roles">Its roles.</param>
/// <param name="time">Tells how long ago the coordinator was heard of.</param>
internal sealed class NodeHealth(ActorSystem system, IReadOnlyList<string> roles, TimeProvider time)
{
    // An actor answers in microseconds; a machine that is that busy is no reason to start the process again.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    // Nodes register every two seconds. A coordinator that is started again needs some seconds.
    private static readonly TimeSpan HeardLimit = TimeSpan.FromSeconds(10);

    private long _heardAt = long.MinValue;

    /// <summary>It has answered this node.</summary>
    public void HeardOfCoordinator() => Volatile.Write(ref _heardAt, time.GetTimestamp());

    public async Task<NodeCondition> CheckAsync()
    {
        try
        {
            var answer = await system.ActorSelection("/user/log").Ask<ActorIdentity>(new Identify(null), AnswerLimit);
            if (answer.Subject is null)
            {
                return new NodeCondition(false, false, "the actors have ended");
            }
        }
        catch (AskTimeoutException)
        {
            return new NodeCondition(false, false, $"the actors do not answer within {AnswerLimit.TotalSeconds:0} s");
        }

        return Judge(Akka.Cluster.Cluster.Get(system).SelfMember.Status);
    }

    /// <summary>What follows for a node whose actors answer.</summary>
    internal NodeCondition Judge(MemberStatus status)
    {
        if (status is not MemberStatus.Up)
        {
            return new NodeCondition(true, false, $"not in the cluster: its member is {status}");
        }

        // The coordinator itself registers with nobody.
        var trains = roles.Any(static role => role is "server" or "worker");
        return trains && Volatile.Read(ref _heardAt) is var heard && (heard == long.MinValue || time.GetElapsedTime(heard) > HeardLimit)
            ? new NodeCondition(true, false, "in the cluster, but no coordinator answers")
            : new NodeCondition(true, true, "in the cluster");
    }
}
