using Akka.Actor.Setup;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Hosting.Tls;

/// <summary>Hands the actor system's transport what no settings file can hold.</summary>
/// <param name="certificates">Of this node.</param>
/// <param name="log">Told of who is turned away, from the first moment on: the actor system's own log begins later.</param>
internal sealed class TlsSetup(NodeCertificates certificates, Action<string> log) : Setup
{
    public Action<string> Log { get; } = log;

    public NodeCertificates Certificates { get; } = certificates;
}
