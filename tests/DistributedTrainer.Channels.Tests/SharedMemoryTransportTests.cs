using DistributedTrainer.Channels.Tests.Contract;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>All that sockets promise, too: the same listener takes plain connections.</summary>
public sealed class SharedMemoryTransportTests : SocketContract, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dts").FullName;
    private int _number;

    private protected override ITransport Transport { get; } = new SharedMemoryTransport();

    private protected override string[] ForeignAddresses => ["", "in-process://x", "unix:///x", "tcp://127.0.0.1:0", "shared-memory://", "shared-memory:/x"];

    private protected override string FreshAddress() => $"shared-memory://{_folder}/{Interlocked.Increment(ref _number)}.sock";

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
