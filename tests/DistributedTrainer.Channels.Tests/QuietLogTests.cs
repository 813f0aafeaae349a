namespace DistributedTrainer.Channels.Tests;

public sealed class QuietLogTests
{
    private readonly List<string> _told = [];
    private readonly Clock _clock = new();
    private readonly QuietLog _log;

    public QuietLogTests() => _log = new QuietLog(_told.Add, TimeSpan.FromSeconds(60), _clock);

    [Fact]
    public void Of_a_source_the_first_in_a_period_is_told_and_the_others_are_counted()
    {
        for (var i = 0; i < 100_000; i++) _log.Add("a", $"a:{i}: garbage");
        _log.Add("b", "b:1: garbage");
        Assert.Equal(["a:0: garbage", "b:1: garbage"], _told);
        _clock.Seconds = 59;
        _log.Add("a", "a:7: garbage");
        Assert.Equal(2, _told.Count);
        _clock.Seconds = 60;
        _log.Add("a", "a:8: garbage");
        Assert.Equal("a:8: garbage (and 100000 more like this before)", _told[^1]);
        _clock.Seconds = 120;
        _log.Add("a", "a:9: garbage");
        Assert.Equal("a:9: garbage", _told[^1]);
    }

    [Fact]
    public void What_was_left_out_is_told_at_the_end()
    {
        _log.Add("a", "first");
        _log.Close();
        Assert.Equal(["first"], _told);
        _log.Add("a", "second");
        _log.Add("a", "third");
        _log.Close();
        _log.Close();
        Assert.Equal(["first", "second", "a: 1 more like this"], _told);
    }

    [Fact]
    public void Any_number_of_sources_takes_bounded_room()
    {
        for (var i = 0; i < QuietLog.MaximumSources + 1000; i++) _log.Add($"a{i}", $"a{i}: garbage");
        Assert.Equal(QuietLog.MaximumSources + 1, _told.Count);
        _clock.Seconds = 60;
        _log.Add("later", "later: garbage");
        Assert.Equal("later: garbage", _told[^1]);
        _log.Close();
        Assert.Equal("others: 999 more like this", _told[^1]);
    }

    [Fact]
    public void Without_a_period_each_is_told()
    {
        var log = new QuietLog(_told.Add, TimeSpan.Zero, _clock);
        log.Add("a", "1");
        log.Add("a", "2");
        log.Close();
        Assert.Equal(["1", "2"], _told);
    }

    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
