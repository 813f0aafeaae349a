using Akka.Actor;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>
/// A node's agent, and what stands between it and the coordinator: the test sees what it says, may change what it is told,
/// and decides when the coordinator hears that it is prepared. Stopped, it takes the node with it.
/// </summary>
internal sealed class NodeRelay : ReceiveActor
{
    private readonly Func<object, object> _change;
    private readonly Action<object> _said;
    private readonly IActorRef _agent;
    private IActorRef _coordinator;
    private Nodes.Prepare? _original;
    private Nodes.Prepared? _held;
    private bool _joins;

    public NodeRelay(NodeOptions options, string name, IActorRef coordinator, Func<object, object> change, Action<object> said)
    {
        (_coordinator, _change, _said) = (coordinator, change, said);
        _agent = Context.ActorOf(NodeAgent.Props(options, new NodeId(name), Self, NullLogger.Instance, static _ => { }), "agent");
        Receive<Leads>(leads => _coordinator = leads.Coordinator);
        Receive<Join>(_ =>
        {
            _joins = true;
            if (_held is not null)
            {
                _coordinator.Tell(_held, Self);
            }
        });
        ReceiveAny(Pass);
    }

    private void Pass(object message)
    {
        if (Sender.Equals(_coordinator))
        {
            _original = message as Nodes.Prepare ?? _original;
            _agent.Tell(_change(message), Self);
            return;
        }

        _held = message as Nodes.Prepared ?? _held;
        if (message is not Nodes.Prepared || _joins)
        {
            // Another coordinator is told what the one before it had said.
            _coordinator.Tell(message is Nodes.Recalled recalled ? recalled with { Preparation = _original! } : message, Self);
        }

        _said(message);
    }

    /// <summary>Another coordinator leads from now on.</summary>
    public sealed record Leads(IActorRef Coordinator) : INoSerializationVerificationNeeded;

    /// <summary>The coordinator may hear that the node is prepared.</summary>
    public sealed class Join : INoSerializationVerificationNeeded
    {
        public static readonly Join Instance = new();
    }
}
