using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests.Workers;

/// <summary>Cores that step threads are recommended to run on.</summary>
public sealed class HomeCoreTests
{
    // Claims of other processes do not count here.
    private readonly string _prefix = $"test-{Guid.NewGuid():N}";

    [Fact]
    public void Each_core_is_claimed_once_and_can_be_claimed_again_when_it_is_given_back()
    {
        var claims = new List<HomeCore>();
        while (HomeCore.Claim(_prefix) is { } claim)
        {
            claims.Add(claim);
        }

        // One core leaves nothing to choose; a limit of the time that a container may use does not hide cores.
        Assert.True(claims.Count == 0 ? Environment.ProcessorCount == 1 || !OperatingSystem.IsLinux() : claims.Count >= Environment.ProcessorCount);
        Assert.Distinct(claims.Select(static claim => claim.Core));
        foreach (var given in claims.ToArray())
        {
            given.Dispose();
            var again = HomeCore.Claim(_prefix);
            Assert.Equal(given.Core, again?.Core);
            claims.Add(again!);
        }

        claims.ForEach(static claim => claim.Dispose());
    }

    [Fact]
    public void A_thread_that_was_moved_is_free_to_leave()
    {
        var allowed = Allowed();
        using var home = HomeCore.Claim(_prefix);
        home?.Settle();
        Assert.Equal(allowed, Allowed());
    }

    /// <summary>The cores that this thread may run on.</summary>
    private static string Allowed() => OperatingSystem.IsLinux()
        ? File.ReadLines("/proc/thread-self/status").First(static line => line.StartsWith("Cpus_allowed:", StringComparison.Ordinal))
        : "";
}
