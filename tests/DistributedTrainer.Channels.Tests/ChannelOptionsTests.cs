namespace DistributedTrainer.Channels.Tests;

public class ChannelOptionsTests
{
    [Fact]
    public void The_defaults_are_valid() => Assert.Equal(1 << 30, new ChannelOptions().Validated().MaximumPayloadBytes);

    [Fact]
    public void All_impossible_values_are_named_at_once()
    {
        var options = new ChannelOptions { MaximumPayloadBytes = -1, MaximumPostedFrames = 0, HelloTimeout = TimeSpan.Zero, QuietPeriod = TimeSpan.FromSeconds(-1), MaximumConnections = 0 };
        var error = Assert.Throws<ArgumentException>(() => options.Validated());
        Assert.Contains("MaximumPayloadBytes is -1", error.Message);
        Assert.Contains("MaximumPostedFrames is 0", error.Message);
        Assert.Contains("HelloTimeout is 00:00:00", error.Message);
        Assert.Contains("QuietPeriod is -00:00:01", error.Message);
        Assert.Contains("MaximumConnections is 0", error.Message);
    }

    [Fact]
    public void A_listener_whose_log_is_broken_is_not_hurt() =>
        new ChannelOptions { Rejected = _ => throw new InvalidOperationException("broken log") }.Reject("reason");
}
