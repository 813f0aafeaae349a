namespace DistributedTrainer.Experiments;

/// <summary>
/// Successive halving (Jamieson and Talwalkar, 2016): all trials begin, and at each rung the best 1 / <see cref="Factor"/> of those
/// that are left go on. One bracket of Hyperband (Li et al., 2018).
/// </summary>
public sealed record HalvingOptions
{
    /// <summary>η: the next rung is so many times as long, and one of so many trials gets there; at least 2.</summary>
    public int Factor { get; init; } = 3;

    /// <summary>Epochs of the first rung, at least 1.</summary>
    public int FirstEpochs { get; init; } = 1;

    /// <summary>
    /// The epochs at which trials are compared, ascending: the first rung, and each <see cref="Factor"/> times as late as the one
    /// before; the last is the end of training, at least so much later. Only the end where even the second rung would be behind it.
    /// </summary>
    /// <param name="epochs">Of a whole trial.</param>
    public IReadOnlyList<int> Rungs(int epochs)
    {
        var rungs = new List<int>();
        for (long at = FirstEpochs; at * Factor <= epochs; at *= Factor)
        {
            rungs.Add((int)at);
        }

        return [.. rungs, epochs];
    }

    /// <summary>How many of so many trials go on from a rung: at least one.</summary>
    public int GoingOn(int trials) => Math.Max(1, trials / Factor);
}
