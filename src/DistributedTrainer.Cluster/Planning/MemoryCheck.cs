using System.Globalization;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Whether what a run needs is there.</summary>
internal static class MemoryCheck
{
    // Beyond this share a run may still go well, or drive the machine into swapping.
    private const double Close = 0.8;

    /// <summary>What this machine, the container or a limit of the runtime allows this process.</summary>
    public static long Available => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>What is wrong, or nearly.</summary>
    /// <param name="who">Whose need it is, such as "a worker" or "all nodes together".</param>
    /// <param name="needed">Bytes.</param>
    /// <param name="available">Bytes.</param>
    /// <param name="remedy">What to change.</param>
    public static (string? Problem, string? Warning) Judge(string who, long needed, long available, string remedy)
    {
        var figures = $"{who} will need up to {Text(needed)} of memory, and {Text(available)} are there";
        return needed > available ? ($"memory: {figures}. {remedy}", null)
            : needed > Close * available ? (null, $"{figures}: that is close. {remedy}")
            : (null, null);
    }

    /// <summary>A run whose nodes are all on this machine.</summary>
    public static (string? Problem, string? Warning) OfMachine(TrainingPlan plan, bool inProcess, long available, int threads = 1) => Judge(
        $"this run with {plan.Experiment.Cluster.Workers} workers{(threads > 1 ? $" of {threads} threads each" : "")} on one machine",
        MemoryEstimate.Together(plan, inProcess, threads),
        available,
        $"Use fewer cluster.workers{(threads > 1 ? " or --workers-per-node" : "")}, fewer training.shards (each is a gradient), a smaller training.batch-size or smaller layers; or spread the run over machines with dtrain node. What needs how much: dtrain inspect EXPERIMENT.yaml");

    /// <summary>One node with some roles.</summary>
    public static (string? Problem, string? Warning) OfNode(TrainingPlan plan, IReadOnlyCollection<string> roles, int workers, int threads, long available)
    {
        var parts = new List<NodeMemory>();
        if (roles.Contains("coordinator"))
        {
            parts.Add(MemoryEstimate.Coordinator(plan));
        }

        if (roles.Contains("server"))
        {
            parts.Add(MemoryEstimate.Server(plan));
        }

        if (roles.Contains("worker"))
        {
            parts.Add(MemoryEstimate.Worker(plan, workers, threads));
        }

        // Its roles share the runtime, and the data but with the coordinator.
        var twice = ((parts.Count - 1) * MemoryEstimate.Runtime) + (Math.Max(0, parts.Count - (roles.Contains("coordinator") ? 2 : 1)) * plan.Data.Bytes);
        return Judge(
            $"a node with the role{(parts.Count == 1 ? "" : "s")} {string.Join(", ", parts.Select(static part => part.Role))}",
            parts.Sum(static part => part.Bytes) - twice,
            available,
            roles.Contains("worker")
                ? "Use more nodes with fewer workers or threads each, fewer training.shards (each is a gradient), a smaller training.batch-size or smaller layers."
                : "Use more cluster.servers with as many cluster.partitions, or smaller layers.");
    }

    /// <summary>As a person reads it.</summary>
    public static string Text(long bytes) => bytes >= 10L << 30
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):#,0.0} GB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):#,0} MB");
}
