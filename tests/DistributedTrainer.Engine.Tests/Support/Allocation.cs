namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>What code allocates on the managed heap once it is warm.</summary>
internal static class Allocation
{
    /// <summary>
    /// The fewest bytes that a call allocates, of ten after the first one. The runtime itself allocates once in a while,
    /// when it compiles a method anew; code that allocates does so each time.
    /// </summary>
    public static long Warm(Action call)
    {
        call();
        var fewest = long.MaxValue;
        for (var i = 0; i < 10; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            call();
            fewest = Math.Min(fewest, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return fewest;
    }
}
