using Akka.Actor.Setup;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Hosting.Tls;

/// <summary>Hands the actor system's transport what no settings file can hold.</summary>
/// <param name="certificates">Of this node.</param>
internal sealed class TlsSetup(NodeCertificates certificates) : Setup
{
    public NodeCertificates Certificates { get; } = certificates;
}
