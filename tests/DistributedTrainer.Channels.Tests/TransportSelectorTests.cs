namespace DistributedTrainer.Channels.Tests;

public class TransportSelectorTests
{
    private static readonly string[] All = ["tcp://h:1", "in-process://n", "unix:///p", "shared-memory:///p"];

    public static TheoryData<string, bool, bool, string> Ways
    {
        get
        {
            var ways = new TheoryData<string, bool, bool, string>
            {
                { "auto", false, false, "tcp://h:1" },
                { "in-process", true, true, "in-process://n" },
                { "unix", true, false, "unix:///p" },
                { "unix", false, true, "unix:///p" },
                { "tcp", true, true, "tcp://h:1" },
                { "tcp", false, true, "tcp://h:1" },
                { "tcp", false, false, "tcp://h:1" },
            };
            var shared = SharedMemory.Problem is null ? "shared-memory:///p " : "";
            ways.Add("auto", true, true, $"in-process://n {shared}unix:///p tcp://h:1");
            ways.Add("auto", true, false, $"in-process://n {shared}unix:///p tcp://h:1");
            ways.Add("auto", false, true, $"{shared}unix:///p tcp://h:1");
            if (shared.Length > 0) ways.Add("shared-memory", false, true, "shared-memory:///p");
            if (shared.Length > 0) ways.Add("shared-memory", true, false, "shared-memory:///p");
            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void The_ways_that_reach_the_peer_are_given_the_fastest_first(string transport, bool sameProcess, bool sameHost, string addresses) =>
        Assert.Equal(addresses.Split(' '), TransportSelector.Choose(transport, All, sameProcess, sameHost));

    [Theory]
    [InlineData("auto", "tcp://h:1 unix:///p", true, true, "unix:///p tcp://h:1")]
    [InlineData("auto", "tcp://h:1", true, true, "tcp://h:1")]
    [InlineData("auto", "tcp://h:1 tcp://h:2", false, false, "tcp://h:1")]
    public void A_way_that_the_peer_does_not_offer_is_passed_over(string transport, string offered, bool sameProcess, bool sameHost, string addresses) =>
        Assert.Equal(addresses.Split(' '), TransportSelector.Choose(transport, offered.Split(' '), sameProcess, sameHost));

    [Theory]
    [InlineData("in-process", false, true)]
    [InlineData("in-process", false, false)]
    [InlineData("shared-memory", false, false)]
    [InlineData("unix", false, false)]
    public void A_way_that_does_not_reach_the_peer_is_an_error_that_names_it(string transport, bool sameProcess, bool sameHost)
    {
        var error = Assert.Throws<InvalidOperationException>(() => TransportSelector.Choose(transport, All, sameProcess, sameHost));
        Assert.Contains($"'{transport}'", error.Message);
        Assert.Contains("tcp://h:1, in-process://n, unix:///p, shared-memory:///p", error.Message);
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
    [InlineData("sharedmemory")]
    public void An_unknown_name_is_an_error_that_lists_the_known(string transport)
    {
        var error = Assert.Throws<ArgumentException>(() => TransportSelector.Choose(transport, All, true, true));
        Assert.Contains("auto, in-process, shared-memory, unix, tcp", error.Message);
    }
}
