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

    [Fact]
    public void Helpers_work_on_other_cores_than_the_caller()
    {
        if (SystemCores.Allowed() is not { } allowed || SystemCores.In(allowed) is not { Length: >= 2 } cores)
        {
            // There is nothing to choose.
            return;
        }

        var team = new CoreTeam(2);

        // Only then is the helper known to have begun.
        CoresOfBoth(team, cores[0]);
        foreach (var core in (int[])[cores[0], cores[1], cores[0]])
        {
            var seen = CoresOfBoth(team, core);
            Assert.Contains(core, seen);
            Assert.Equal(2, seen.Distinct().Count());
        }
    }

    /// <summary>Where the two blocks of a piece of work are done, each of which waits for the other, if a core calls.</summary>
    private static int[] CoresOfBoth(CoreTeam team, int core)
    {
        var seen = new ConcurrentBag<int>();
        Exception? problem = null;
        using var both = new Barrier(2);
        var thread = new Thread(() =>
        {
            try
            {
                Assert.True(SystemCores.Restrict(SystemCores.Only(core)));
                team.Run(2, _ =>
                {
                    Assert.True(both.SignalAndWait(TimeSpan.FromSeconds(60)));
                    seen.Add(SystemCores.Current());
                });
            }
            catch (Exception failure)
            {
                problem = failure;
            }
        });
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(120)));
        Assert.Null(problem);
        return [.. seen];
    }
}
