namespace DistributedTrainer.Cluster.Planning;

/// <summary>What a node of one role needs at most, part by part.</summary>
/// <param name="Role">coordinator, server or worker.</param>
/// <param name="Count">So many of them the experiment asks for.</param>
/// <param name="Parts">What it is made of, in bytes of one node.</param>
public sealed record NodeMemory(string Role, int Count, IReadOnlyList<(string What, long Bytes)> Parts)
{
    /// <summary>Of one node.</summary>
    public long Bytes => Parts.Sum(static part => part.Bytes);
}

/// <summary>
/// The memory of a run by the role of a node. With P bytes of parameters, B of running statistics, k vectors of optimizer
/// state, L leaves and w workers:
/// <list type="bullet">
/// <item>worker: its workspace (parameters, running statistics, all layers' outputs and their gradients for the rows of the
/// global batch, since the others' shards may become its own; of accumulated batches for one of them), a gradient of P for each of its leaves and one more while
/// servers read the last, and P + B of the next version where the channel cannot lend it;</item>
/// <item>worker with several threads: layers' outputs and their gradients for each of them, for the rows that it computes at most, and 1.5 MB for packed matrices;
/// where shards take steps by themselves, parameters and (1 + k) P for each of them too;</item>
/// <item>worker whose gradients are made smaller: beside that, over a network 2 P + k P for its copy of the partitions, and with
/// error feedback 2 P for each of its leaves; servers keep L P and the coordinator 2 L P of them more;</item>
/// <item>worker whose shards take steps by themselves: one after the other, so that it has 2 P + 2 k P more, whatever their
/// number: the common parameters and a gradient, the common state and that of the shard. What it keeps of a leaf, and the next
/// version, is P + k P; so are a version and a buffer of a server, which has no other state then;</item>
/// <item>server, of its share of the parameters: three versions (current, previous, next), one more for the best where early
/// stopping restores it, k vectors of state, a snapshot (a version and k vectors), and a buffer for each pushed node where
/// the channel cannot lend it, else for those that are combined; for each worker of its host sums of batch norm, at most 128 C
/// bytes of a layer with C channels;</item>
/// <item>coordinator: two checkpoints (1 + k vectors, and the best), since the last one waits to be collected while the next is
/// written, and the model that is written;</item>
/// <item>each: the data, and the runtime with its code.</item>
/// </list>
/// It is an upper bound for equally fast workers that all live; what a worker takes over from others adds a gradient a leaf.
/// </summary>
internal static class MemoryEstimate
{
    /// <summary>
    /// A process of the program before it has any data, without the 50 MB of libraries that all of them share: heaps and
    /// compiled code. 47 to 57 MB were measured.
    /// </summary>
    public const long Runtime = 64L << 20;

    // What kernels pack matrices into, for each thread beside the first: 1.2 to 1.4 MB were measured, whatever the model.
    private const long Scratch = 3L << 19;

    // Evaluation runs in batches of this many rows.
    private const int EvaluationRows = 256;

    /// <summary>Each role once.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="threads">Of each worker.</param>
    public static IReadOnlyList<NodeMemory> Of(TrainingPlan plan, int threads = 1) => [Coordinator(plan), Server(plan), Worker(plan, threads: threads)];

    /// <summary>Everything on one machine: in a process each, as many as the experiment asks for, or all in one process.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="inProcess">Whether it is one process.</param>
    /// <param name="threads">Of each worker.</param>
    public static long Together(TrainingPlan plan, bool inProcess, int threads = 1)
    {
        var nodes = Of(plan, threads);
        var all = nodes.Sum(static node => node.Bytes * node.Count);
        var processes = nodes.Sum(static node => node.Count);

        // Threads share the runtime; the coordinator reads the data, and the one node for itself too.
        return inProcess ? all - ((processes - 1) * Runtime) - ((processes - 2) * plan.Data.Bytes) : all;
    }

    /// <param name="plan">The run.</param>
    /// <param name="workers">Workers of the node, each with everything of its own but the data.</param>
    /// <param name="threads">Of each worker.</param>
    public static NodeMemory Worker(TrainingPlan plan, int workers = 1, int threads = 1)
    {
        threads = Math.Min(threads, plan.Shards);
        var inCommon = plan.IsAveraged ? 0 : (threads - 1) * (Parameters(plan) + Buffers(plan));
        var leaves = StepTraffic.MostLeaves(plan);
        return new NodeMemory("worker", plan.Experiment.Cluster.Workers,
        [
            ("data", plan.Data.Bytes),
            ("activations and parameters", workers * ((threads * plan.Model.WorkspaceBytes(Math.Max(EvaluationRows, plan.PassRowsOf(threads)))) - inCommon)),
            ("threads", workers * (threads - 1) * Scratch),
            ("gradients", workers * (leaves + 1) * Parameters(plan) * Width(plan)),
            ("local steps", plan.IsAveraged ? workers * (1 + threads) * Parameters(plan) * Width(plan) : 0),
            ("the next version", Lends(plan) ? 0 : workers * ((Parameters(plan) * Width(plan)) + Buffers(plan))),
            ("compression", workers * Compression(plan, leaves)),
            ("runtime", Runtime),
        ]);
    }

    public static NodeMemory Server(TrainingPlan plan)
    {
        var servers = plan.Experiment.Cluster.Servers;

        // The one with the most.
        var share = Enumerable.Range(0, servers).Max(server => plan.Ranges.Where(range => range.Id % servers == server).Sum(static range => (long)range.Length * sizeof(float)));
        var (vectors, best) = (plan.Optimizer.StateVectors, plan.RestoresBest ? 1 : 0);
        var nodes = StepTraffic.PushedNodes(plan);
        return new NodeMemory("server", servers,
        [
            ("data", plan.Data.Bytes),
            ("versions", ((3 + best) * ((share * Width(plan)) + Buffers(plan)))),
            ("optimizer state", (vectors - plan.AveragedVectors) * share),
            ("residuals", plan.ResidualVectors * share),
            ("snapshot", ((1 + vectors + plan.ResidualVectors + (plan.AveragedVectors > 0 ? best : 0)) * share) + Buffers(plan)),
            ("gradients", (Lends(plan) ? Math.Max(0, nodes - 2) : nodes) * share * Width(plan)),
            ("statistics", Lends(plan) && plan.Experiment.Cluster.Workers > 1 ? plan.Experiment.Cluster.Workers * StatisticsNotes.SeatBytes(plan) : 0),
            ("runtime", Runtime),
        ]);
    }

    public static NodeMemory Coordinator(TrainingPlan plan)
    {
        var (vectors, best) = (plan.StateVectors, plan.RestoresBest ? 1 : 0);
        return new NodeMemory("coordinator", 1,
        [
            ("data", plan.Data.Bytes),
            ("checkpoints", 2 * (((1 + vectors + best) * Parameters(plan)) + ((1 + best) * Buffers(plan)))),
            ("model", Parameters(plan) + Buffers(plan)),
            ("runtime", Runtime),
        ]);
    }

    // Over a network: gradients as they are written, and a copy of the partitions with a gradient of each. Anywhere: what is left
    // of each leaf, before and after a step.
    private static long Compression(TrainingPlan plan, int leaves) => plan.Codec is null ? 0
        : ((2L * leaves * (plan.ResidualVectors > 0 ? 1 : 0)) + (Lends(plan) ? 0 : 2 + plan.Optimizer.StateVectors)) * Parameters(plan)
        + (Lends(plan) ? 0 : (leaves + 2L) * plan.Codec.MostBytes(plan.Model.Layout.Length));

    /// <summary>Whether a peer on this host can read a payload where it lies. Automatic channels do so within a host.</summary>
    private static bool Lends(TrainingPlan plan) => plan.Transport is "auto" or "in-process" or "shared-memory";

    /// <summary>Vectors of what travels: the parameters or their gradient, and what else is averaged.</summary>
    private static int Width(TrainingPlan plan) => 1 + plan.AveragedVectors;

    private static long Parameters(TrainingPlan plan) => (long)plan.Model.Layout.Length * sizeof(float);

    private static long Buffers(TrainingPlan plan) => (long)plan.Model.Buffers.Length * sizeof(float);
}
