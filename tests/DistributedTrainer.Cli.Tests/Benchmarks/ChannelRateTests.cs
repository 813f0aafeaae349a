using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

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
    }

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
