using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class ChannelRateTests
{
    [Fact]
    public void A_result_holds_both_figures_and_how_they_compare()
    {
        var rate = ChannelRate.Of("unix", 1000, new MediumRate(4000, 60), "unix socket", new MediumRate(5000, 40), copy: 20_000);
        var json = JsonDocument.Parse(JsonText.Of(rate)).RootElement;
        Assert.Equal(
            [4000, 60, 5000, 40, 20_000, 0.8, 1.5],
            ((string[])["megabytesPerSecond", "roundTripMicroseconds", "bareMegabytesPerSecond", "bareRoundTripMicroseconds", "memoryCopyMegabytesPerSecond", "rateShare", "roundTripRatio"])
                .Select(name => json.GetProperty(name).GetDouble()));
        Assert.Equal("unix", json.GetProperty("transport").GetString());
        Assert.False(json.TryGetProperty("lent", out _) || json.TryGetProperty("attended", out _));
    }

    [Fact]
    public void What_is_lent_is_compared_with_a_copy_and_who_stays_awake_with_one_who_does_so_too()
    {
        var rate = ChannelRate.Of("shared-memory", 1000, new MediumRate(4000, 60), "memory", new MediumRate(20_000, 40), copy: 20_000) with
        {
            Lent = LentRate.Of(15_000, copy: 20_000),
            Attended = AttendedTrip.Of(12, bare: 10),
        };
        var json = JsonDocument.Parse(JsonText.Of(rate)).RootElement;
        Assert.Equal((15_000, 0.75), (json.GetProperty("lent").GetProperty("megabytesPerSecond").GetDouble(), json.GetProperty("lent").GetProperty("copyShare").GetDouble()));
        Assert.Equal(
            [12, 10, 1.2],
            ((string[])["roundTripMicroseconds", "bareRoundTripMicroseconds", "roundTripRatio"]).Select(name => json.GetProperty("attended").GetProperty(name).GetDouble()));
    }

    [Theory]
    [InlineData("in-process", 100_000, true, false)]
    [InlineData("shared-memory", 100_000, true, true)]
    [InlineData("shared-memory", 100, false, true)]
    [InlineData("tcp", 100_000, false, false)]
    public void Only_what_the_channel_does_is_measured(string transport, int bytes, bool lends, bool attends)
    {
        if (transport == "shared-memory" && SharedMemory.Problem is not null)
        {
            return;
        }

        using var listener = Listen(transport);
        var end = new AskingEnd();
        using var channel = Transports.For(listener.Address).Connect(listener.Address, end, new ChannelOptions());
        Assert.Equal(lends, end.MeasureLent(channel, bytes, windows: 1) > 0);
        Assert.Equal(attends, end.MeasureAttended(channel, windows: 1) > 0);
        Assert.True(end.Measure(channel, bytes, windows: 1).MegabytesPerSecond > 0);
    }

    [Fact]
    public void A_round_trip_of_bare_threads_needs_no_second_wake_up() => Assert.True(BareMemory.RoundTrip(windows: 1, attended: true) > 0);

    [Fact]
    public void Everything_is_measured_between_the_two_ends()
    {
        using var peer = new ChannelPeer(static problem => Assert.Fail(problem));
        var addresses = ChannelPeer.AddressesIn(peer.Line);
        foreach (var kind in (string[])["unix", "tcp"])
        {
            var bare = BareSocket.Measure(ChannelPeer.BareEnd(addresses, kind)!, bytes: 100, windows: 1);
            Assert.True(bare.MegabytesPerSecond > 0 && bare.RoundTripMicroseconds > 0);
            Assert.Contains(addresses, address => address.StartsWith($"{kind}://", StringComparison.Ordinal));
        }

        Assert.Null(ChannelPeer.BareEnd(addresses, "in-process"));
        Assert.True(BareMemory.RoundTrip(windows: 1) > 0);
    }

    [Fact]
    public void A_channel_that_closes_ends_the_measurement()
    {
        using var listener = new InProcessTransport().Listen("in-process://", static _ => new ClosingEnd(), new ChannelOptions());
        var end = new AskingEnd();
        using var channel = new InProcessTransport().Connect(listener.Address, end, new ChannelOptions());
        Assert.Throws<ChannelClosedException>(() => end.Measure(channel, bytes: 10, windows: 1));
        Assert.Throws<ChannelClosedException>(() => end.MeasureLent(channel, bytes: 10, windows: 1));
        Assert.Throws<ChannelClosedException>(() => end.MeasureAttended(channel, windows: 1));
    }

    private static IChannelListener Listen(string transport)
    {
        var address = transport == "tcp" ? "tcp://127.0.0.1:0" : transport == "in-process" ? "in-process://" : $"{transport}://{Path.Combine(Path.GetTempPath(), $"dtrain-test-{Guid.NewGuid():N}.sock")}";
        return Transports.For(address).Listen(address, static _ => new AnsweringEnd(), new ChannelOptions());
    }

    private sealed class ClosingEnd : IFrameHandler
    {
        public Span<byte> Reserve(IChannel channel, in FrameHeader header) => throw new InvalidOperationException("no");

        public void Complete(IChannel channel, in FrameHeader header) => throw new InvalidOperationException("no");

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
        }
    }
}
