using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>When it pays to send gradients and to bring parameters while a step is computed.</summary>
internal static class Overlap
{
    // A million bytes, which a network carries in 1 to 10 ms. A small model is there at once.
    private const int LeastParameters = 250_000;

    // Within a host: an update takes a few tenths of a millisecond then, more than waking threads once for each partition.
    private const int LeastParametersWithinHost = 1_000_000;

    /// <summary>Whether a worker does so.</summary>
    /// <param name="kind">What the experiment says.</param>
    /// <param name="parameters">Of the model.</param>
    /// <param name="isBetweenHosts">Whether a server is on another host.</param>
    /// <param name="threads">Threads that compute on the worker's host; 0: it is not known.</param>
    /// <param name="cores">Of the host.</param>
    public static bool Pays(OverlapKind kind, int parameters, bool isBetweenHosts, int threads, int cores) => kind switch
    {
        OverlapKind.Always => true,
        OverlapKind.Never => false,
        _ when isBetweenHosts => parameters >= LeastParameters,

        // A core is left for the updates; else they would take one that computes.
        _ => parameters >= LeastParametersWithinHost && threads > 0 && threads < cores,
    };
}
