namespace DistributedTrainer.Data;

/// <summary>
/// Which rows each leaf of each step holds. N training rows, B rows a global batch, L shards; shard i holds the training
/// rows i, i + L, …. Batch b of an epoch covers the positions bB … min((b+1)B, N) − 1 of the epoch's order, and leaf i
/// those of them that are i modulo L: every row exactly once an epoch, whoever computes.
/// </summary>
public sealed class LeafSchedule
{
    /// <param name="rows">N.</param>
    /// <param name="batch">B.</param>
    /// <param name="shards">L.</param>
    /// <param name="keepLast">Whether an epoch ends with a smaller batch where B does not divide N; otherwise those rows wait for another epoch.</param>
    /// <param name="shuffle">Whether each shard visits its rows in another order in each epoch; otherwise in file order.</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <exception cref="ArgumentException">Names what cannot be.</exception>
    public LeafSchedule(int rows, int batch, int shards, bool keepLast, bool shuffle, ulong seed)
    {
        if (Problem(rows, batch, shards, keepLast) is { } problem)
        {
            throw new ArgumentException(problem);
        }

        (Rows, Batch, Shards, Shuffle, Seed) = (rows, batch, shards, shuffle, seed);
        StepsPerEpoch = keepLast ? (rows + (batch - 1L)) / batch : rows / batch;
    }

    /// <summary>N, the training rows.</summary>
    public int Rows { get; }

    /// <summary>B, the rows of a global batch.</summary>
    public int Batch { get; }

    /// <summary>L.</summary>
    public int Shards { get; }

    /// <summary>Whether the order changes from epoch to epoch.</summary>
    public bool Shuffle { get; }

    /// <summary>The experiment's seed.</summary>
    public ulong Seed { get; }

    /// <summary>Steps of one epoch.</summary>
    public long StepsPerEpoch { get; }

    /// <summary>The smallest leaf of any step; 0 where some leaf is empty.</summary>
    public int MinimumLeafRows => Enumerable.Range(0, (int)StepsPerEpoch).Min(step => Enumerable.Range(0, Shards).Min(shard => LeafRows(step, shard)));

    /// <summary>What is wrong with these numbers; null: nothing.</summary>
    public static string? Problem(int rows, int batch, int shards, bool keepLast) =>
        rows < 1 ? "There are no training rows. Lower the shares of validation and test."
        : batch < 1 ? $"training.batch-size is {batch}. It must be 1 at least."
        : shards < 1 ? $"training.shards is {shards}. It must be 1 at least."
        : shards > rows ? $"training.shards is {shards}, but there are {rows} training rows. Use at most as many shards as rows."
        : shards > batch ? $"training.shards is {shards}, but training.batch-size is {batch}: some leaves would always be empty. Use at most as many shards as rows in a batch."
        : !keepLast && batch > rows ? $"training.batch-size is {batch}, but there are {rows} training rows and training.last-batch is drop: no batch would be left."
        : null;

    /// <summary>Rows of a leaf; 0 is possible in an epoch's last batch.</summary>
    public int LeafRows(long step, int shard) => Range(step, shard).Count;

    /// <summary>Rows of all leaves of a step.</summary>
    public int GlobalRows(long step)
    {
        var start = step % StepsPerEpoch * Batch;
        return (int)(Math.Min(start + Batch, Rows) - start);
    }

    /// <summary>Where a leaf begins in its shard's order of the epoch, and how many rows it has.</summary>
    internal (int Start, int Count) Range(long step, int shard)
    {
        var start = step % StepsPerEpoch * Batch;
        var first = Up(start - shard);
        return (first, Up(Math.Min(start + Batch, Rows) - shard) - first);
    }

    private int Up(long position) => position <= 0 ? 0 : (int)((position + Shards - 1) / Shards);
}
