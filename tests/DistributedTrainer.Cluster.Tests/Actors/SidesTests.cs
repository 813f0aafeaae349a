using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class SidesTests
{
    private const string Roles = "CSSWW";

    /// <summary>Oldest first; C coordinator, S server, W worker, B all of it, U whoever submits; the second text has the side of each.</summary>
    [Theory]
    [InlineData("CSSWWW", "aaaaab", 'a')]
    [InlineData("CSSWWW", "aaaabb", 'a')]
    [InlineData("CSSWWW", "aabaaa", 'a')]
    [InlineData("CSSWWW", "aababb", 'a')]
    [InlineData("CSWWW", "ababb", 'b')]
    [InlineData("CSWWW", "aabbb", 'a')]
    [InlineData("CSWWW", "abaaa", 'a')]
    [InlineData("CSWWWU", "abbbba", 'b')]
    [InlineData("CCSSWW", "abbbbb", 'b')]
    [InlineData("CCSSWW", "ababab", 'a')]
    [InlineData("SWC", "aab", 'a')]
    [InlineData("SSWW", "abab", 'a')]
    [InlineData("SSWW", "baba", 'b')]
    [InlineData("BWWW", "abbb", 'a')]
    public void The_side_that_trains_goes_on_and_of_equals_the_one_with_the_oldest_coordinator(string roles, string sides, char goesOn)
    {
        foreach (var side in "ab")
        {
            var members = Members(roles, i => sides[i] != side);
            var verdicts = Enumerable.Range(0, roles.Length).Where(i => sides[i] == side).Select(i => Sides.Decide(members, i, isLong: false)).ToArray();
            if (side == goesOn)
            {
                Assert.Contains(SideVerdict.TakeOut, verdicts);
                Assert.DoesNotContain(SideVerdict.Leave, verdicts);
            }
            else
            {
                Assert.All(verdicts, static verdict => Assert.Equal(SideVerdict.Leave, verdict));
            }
        }
    }

    /// <summary>Of every cluster of up to five members, and every way in which it falls into two.</summary>
    [Fact]
    public void Never_do_both_sides_go_on_and_never_none()
    {
        var splits = 0;
        for (var count = 2; count <= 5; count++)
        {
            for (var kinds = 0; kinds < Math.Pow(5, count); kinds++)
            {
                var roles = string.Concat(Enumerable.Range(0, count).Select(i => "CSWBU"[(int)(kinds / Math.Pow(5, i)) % 5]));
                for (var split = 1; split < (1 << count) - 1; split++)
                {
                    var goOn = 0;
                    foreach (var side in (int[])[0, 1])
                    {
                        var members = Members(roles, i => (split >> i & 1) != side);
                        var verdicts = Enumerable.Range(0, count).Where(i => (split >> i & 1) == side).Select(i => Sides.Decide(members, i, isLong: false)).ToArray();
                        goOn += verdicts.Contains(SideVerdict.TakeOut) ? 1 : 0;
                        Assert.True(verdicts.Contains(SideVerdict.TakeOut) != verdicts.All(static verdict => verdict == SideVerdict.Leave), $"{roles} {split}");
                    }

                    splits++;
                    Assert.True(goOn == 1, $"{roles} falls apart as {split:b}: {goOn} sides go on");
                }
            }
        }

        Assert.True(splits > 100_000);
    }

    [Fact]
    public void Where_there_is_a_coordinator_it_alone_takes_others_out()
    {
        var members = Members(Roles, static i => i == 4);
        Assert.Equal(
            [SideVerdict.TakeOut, SideVerdict.Wait, SideVerdict.Wait, SideVerdict.Wait],
            Enumerable.Range(0, 4).Select(i => Sides.Decide(members, i, isLong: true)));
    }

    [Fact]
    public void A_cut_between_two_nodes_that_others_do_not_see_ends_nobody_but_in_the_end_who_does_not_reach_the_coordinator()
    {
        SideMember[] ofWorker = [.. Roles.Select(static (role, i) => new SideMember(RolesOf(role), i == 0, HeardOf: true))];
        Assert.Equal(SideVerdict.Wait, Sides.Decide(ofWorker, 4, isLong: false));
        Assert.Equal(SideVerdict.Leave, Sides.Decide(ofWorker, 4, isLong: true));
        SideMember[] ofCoordinator = [.. Roles.Select(static (role, i) => new SideMember(RolesOf(role), i == 4, HeardOf: true))];
        Assert.Equal(SideVerdict.Wait, Sides.Decide(ofCoordinator, 0, isLong: true));
        SideMember[] ofTwoOthers = [.. Roles.Select(static (role, i) => new SideMember(RolesOf(role), i == 1, HeardOf: true))];
        Assert.Equal(SideVerdict.Wait, Sides.Decide(ofTwoOthers, 4, isLong: true));
    }

    private static SideMember[] Members(string roles, Func<int, bool> isUnreachable) =>
        [.. roles.Select((role, i) => new SideMember(RolesOf(role), isUnreachable(i), HeardOf: !isUnreachable(i)))];

    private static string[] RolesOf(char kind) => kind switch
    {
        'C' => ["coordinator"],
        'S' => ["server"],
        'W' => ["worker"],
        'B' => ["coordinator", "server", "worker"],
        _ => [],
    };
}
