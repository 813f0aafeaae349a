using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Channels.Tests;

/// <summary>Encrypted channels promise what all do.</summary>
public sealed class TlsTransportTests : TransportContract, IDisposable
{
    private readonly TestAuthority _authority = new();

    public TlsTransportTests() => Transport = new Encrypting(_authority.Node());

    private protected override ITransport Transport { get; }

    private protected override string[] ForeignAddresses => ["", "in-process://x", "tcp://127.0.0.1", "tcp:127.0.0.1:0"];

    private protected override int SendersHeldByTheSystem => 1;

    public void Dispose() => _authority.Dispose();

    private protected override string FreshAddress() => "tcp://127.0.0.1:0";
}
