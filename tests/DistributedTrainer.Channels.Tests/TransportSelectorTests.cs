namespace DistributedTrainer.Channels.Tests;

public class TransportSelectorTests
{
    private static readonly string[] All = ["tcp://h:1", "in-process://n", "unix:///p"];

    [Theory]
    [InlineData("auto", true, true, "in-process://n")]
    [InlineData("auto", true, false, "in-process://n")]
    [InlineData("auto", false, true, "unix:///p")]
    [InlineData("auto", false, false, "tcp://h:1")]
    [InlineData("in-process", true, true, "in-process://n")]
    [InlineData("unix", true, false, "unix:///p")]
    [InlineData("unix", false, true, "unix:///p")]
    [InlineData("tcp", true, true, "tcp://h:1")]
    [InlineData("tcp", false, true, "tcp://h:1")]
    [InlineData("tcp", false, false, "tcp://h:1")]
    public void The_fastest_way_that_reaches_the_peer_is_taken(string transport, bool sameProcess, bool sameHost, string address) =>
        Assert.Equal(address, TransportSelector.Choose(transport, All, sameProcess, sameHost));

    [Theory]
    [InlineData("auto", "tcp://h:1 unix:///p", true, true, "unix:///p")]
    [InlineData("auto", "tcp://h:1", true, true, "tcp://h:1")]
    [InlineData("auto", "tcp://h:1 tcp://h:2", false, false, "tcp://h:1")]
    public void A_way_that_the_peer_does_not_offer_is_passed_over(string transport, string offered, bool sameProcess, bool sameHost, string address) =>
        Assert.Equal(address, TransportSelector.Choose(transport, offered.Split(' '), sameProcess, sameHost));

    [Theory]
    [InlineData("in-process", false, true)]
    [InlineData("in-process", false, false)]
    [InlineData("unix", false, false)]
    public void A_way_that_does_not_reach_the_peer_is_an_error_that_names_it(string transport, bool sameProcess, bool sameHost)
    {
        var error = Assert.Throws<InvalidOperationException>(() => TransportSelector.Choose(transport, All, sameProcess, sameHost));
        Assert.Contains($"'{transport}'", error.Message);
        Assert.Contains("tcp://h:1, in-process://n, unix:///p", error.Message);
    }

    [Theory]
    [InlineData("auto", "in-process://n unix:///p")]
    [InlineData("tcp", "unix:///p")]
    [InlineData("auto", "http://h")]
    public void A_peer_without_a_reachable_address_is_an_error(string transport, string offered) =>
        Assert.Throws<InvalidOperationException>(() => TransportSelector.Choose(transport, offered.Split(' '), false, false));

    [Theory]
    [InlineData("")]
    [InlineData("TCP")]
    [InlineData("shared-memory")]
    public void An_unknown_name_is_an_error_that_lists_the_known(string transport)
    {
        var error = Assert.Throws<ArgumentException>(() => TransportSelector.Choose(transport, All, true, true));
        Assert.Contains("auto, in-process, unix, tcp", error.Message);
    }
}
