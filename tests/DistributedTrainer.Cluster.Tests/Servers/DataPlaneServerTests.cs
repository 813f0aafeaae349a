using DistributedTrainer.Cluster.Servers;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class DataPlaneServerTests
{
    [Fact]
    public void A_server_that_cannot_open_all_doors_opens_none()
    {
        // An address of documentation: no machine has it.
        Assert.Throws<IOException>(() => Open("203.0.113.1"));
        using var server = Open("127.0.0.1");
        Assert.Equal("tcp", server.Addresses[^1].Split(':')[0]);
    }

    private static DataPlaneServer Open(string host) => new(host, $"doors-{Environment.ProcessId}", 1, static _ => { });
}
