using System.Net;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class LocalAddressTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("127.0.0.1:4053")]
    [InlineData("nonsense")]
    [InlineData("10.0.0.1:nonsense")]
    [InlineData("no-such-host.invalid:4053")]
    public void It_is_loopback_where_there_is_no_other_way(string? nodes) => Assert.Equal("127.0.0.1", LocalAddress.Towards(nodes));

    /// <summary>All of 127.0.0.0/8 is this machine: so it has an address of its own towards another one of them.</summary>
    [Fact]
    public void It_is_an_address_of_this_machine_that_leads_to_the_first_node()
    {
        var address = LocalAddress.Towards("127.8.0.1:4053,127.0.0.1:1");
        Assert.True(IPAddress.IsLoopback(IPAddress.Parse(address)), address);
    }
}
