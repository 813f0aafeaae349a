using System.Collections.Concurrent;
using DistributedTrainer.Cluster.Servers;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class CoreTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_block_is_done_once_by_any_number_of_cores(int cores)
    {
        var team = new CoreTeam(cores);
        foreach (var blocks in (int[])[0, 1, 2, 3, 100, 1000])
        {
            var done = new int[blocks];
            team.Run(blocks, block => Interlocked.Increment(ref done[block]));
            Assert.All(done, static times => Assert.Equal(1, times));
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(5, 2)]
    public void Half_of_the_cores_are_left_to_others(int cores, int most)
    {
        var team = new CoreTeam(cores);
        var (done, threads) = (new int[1000], new ConcurrentDictionary<int, int>());
        team.Run(
            done.Length,
            block =>
            {
                threads.TryAdd(Environment.CurrentManagedThreadId, 0);
                Interlocked.Increment(ref done[block]);
            },
            half: true);
        Assert.All(done, static times => Assert.Equal(1, times));
        Assert.InRange(threads.Count, 1, most);
    }

    [Fact]
    public void Several_callers_at_once_all_get_their_work_done()
    {
        var team = new CoreTeam(2);
        Parallel.For(0, 20, _ =>
        {
            var done = new int[50];
            team.Run(done.Length, block => Interlocked.Increment(ref done[block]));
            Assert.All(done, static times => Assert.Equal(1, times));
        });
    }

    [Fact]
    public void What_goes_wrong_in_a_block_is_told_to_the_caller()
    {
        var team = new CoreTeam(3);
        var problem = Assert.Throws<InvalidOperationException>(() => team.Run(10, static block =>
        {
            if (block == 7)
            {
                throw new ArithmeticException("seven");
            }
        }));
        Assert.Equal("update: seven", problem.Message);
        var done = 0;
        team.Run(4, _ => Interlocked.Increment(ref done));
        Assert.Equal(4, done);
    }
}
