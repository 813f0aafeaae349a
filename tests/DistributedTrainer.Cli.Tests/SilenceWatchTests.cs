using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Tests;

public sealed class SilenceWatchTests
{
    [Fact]
    public void Each_silence_is_told_once()
    {
        var (time, told) = (new ManualTime(), new List<double>());
        using var watch = new SilenceWatch(time, silent => told.Add(silent.TotalSeconds));
        Advance(9);
        Assert.False(watch.IsSilent);
        watch.Heard();
        Advance(9);
        Assert.Empty(told);
        Advance(10);
        Assert.True(watch.IsSilent);
        Assert.Equal([10], told);
        watch.Heard();
        Assert.False(watch.IsSilent);
        Advance(30);
        Assert.Equal([10, 10], told);

        void Advance(int seconds)
        {
            for (var i = 0; i < seconds; i++)
            {
                time.Advance(TimeSpan.FromSeconds(1));
            }
        }
    }
}
