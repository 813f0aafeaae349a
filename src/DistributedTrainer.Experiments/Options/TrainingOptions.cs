namespace DistributedTrainer.Experiments;

/// <summary>The section <c>training</c>. Exactly one of <see cref="Epochs"/> and <see cref="Steps"/> is set.</summary>
public sealed record TrainingOptions
{
    /// <summary>Staleness where the mode is stale and nothing is said of it.</summary>
    public const int DefaultStaleness = 4;

    /// <summary>The most steps between two averages.</summary>
    public const int MostLocalSteps = 10_000;

    /// <summary>Passes over the training rows; null: <see cref="Steps"/> counts.</summary>
    public int? Epochs { get; init; } = 20;

    /// <summary>Updates of the parameters; null: <see cref="Epochs"/> counts.</summary>
    public long? Steps { get; init; }

    /// <summary>
    /// Epochs after which the run ends for now, at least 1: with a checkpoint, from which it can be resumed to the end, as if it
    /// had never paused. Null: it does not.
    /// </summary>
    public int? PauseAfter { get; init; }

    /// <summary>Rows of the global batch of a step, or of each that is accumulated.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>L: parts that the training rows and each step's work are cut into, at most the batch size.</summary>
    public int Shards { get; init; } = 4;

    /// <summary>How workers and servers keep step.</summary>
    public TrainingMode Mode { get; init; } = TrainingMode.Sync;

    /// <summary>
    /// Steps that a worker may be ahead of the slowest, with <see cref="TrainingMode.Stale"/>; 0 with the other modes. The
    /// file's default is <see cref="DefaultStaleness"/>.
    /// </summary>
    public int Staleness { get; init; }

    /// <summary>
    /// Batches whose gradients are added up before one update, at least 1: the same bits as a batch that is so many times
    /// larger, with the memory of one.
    /// </summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>
    /// Steps that each shard takes by itself before all are averaged, from 1, which averages gradients instead, to
    /// <see cref="MostLocalSteps"/> (McMahan et al., 2017; Stich, 2019).
    /// </summary>
    public int LocalSteps { get; init; } = 1;

    /// <summary>What becomes of an epoch's last batch where it is smaller than the others.</summary>
    public LastBatch LastBatch { get; init; } = LastBatch.Keep;

    /// <summary>What becomes of a step whose loss or gradient is NaN or infinite.</summary>
    public NonFiniteStep NonFinite { get; init; } = NonFiniteStep.Stop;

    /// <summary>How gradients are made smaller before they travel.</summary>
    public CompressionOptions Compression { get; init; } = new(CompressionKind.None);

    /// <summary>When training ends before its time; null: never.</summary>
    public EarlyStoppingOptions? EarlyStopping { get; init; }
}

/// <summary>How gradients are made smaller: part of the experiment, since the rounding is the same where nothing travels.</summary>
/// <param name="Kind">How.</param>
/// <param name="Share">Of the elements, with <see cref="CompressionKind.TopK"/>: above 0, below 1; 0 with the others.</param>
public sealed record CompressionOptions(CompressionKind Kind, double Share = 0);

/// <summary>Ways to make gradients smaller.</summary>
public enum CompressionKind
{
    /// <summary>Float32, as they are computed.</summary>
    None,

    /// <summary>IEEE 754 binary16, 2 bytes an element.</summary>
    Float16,

    /// <summary>The upper half of float32, 2 bytes an element.</summary>
    Bfloat16,

    /// <summary>Integers with a scale for each block, 1 byte an element.</summary>
    Int8,

    /// <summary>The elements with the largest magnitudes, and error feedback; 6 bytes for each of them.</summary>
    TopK,
}

/// <summary>Training ends where a metric has not become better for some epochs (Prechelt, 1998).</summary>
public sealed record EarlyStoppingOptions
{
    /// <summary>What is watched.</summary>
    public EarlyStoppingMetric Metric { get; init; } = EarlyStoppingMetric.ValidationLoss;

    /// <summary>Epochs without improvement that are borne, at least 1.</summary>
    public int Patience { get; init; } = 5;

    /// <summary>Whether the parameters of the best epoch are restored at the end.</summary>
    public bool RestoreBest { get; init; } = true;
}

/// <summary>What early stopping watches.</summary>
public enum EarlyStoppingMetric
{
    /// <summary>The smaller the better.</summary>
    ValidationLoss,

    /// <summary>The larger the better; classification only.</summary>
    ValidationAccuracy,
}

/// <summary>How workers and servers keep step.</summary>
public enum TrainingMode
{
    /// <summary>Every step waits for all leaves: the same bits whoever computes.</summary>
    Sync,

    /// <summary>Each push is an update of its own; a worker is at most <see cref="TrainingOptions.Staleness"/> steps ahead of the slowest (Ho et al., 2013).</summary>
    Stale,

    /// <summary>Each push is an update of its own, and nobody waits but where all are evaluated or a checkpoint is made (Dean et al., 2012).</summary>
    Async,
}

/// <summary>What becomes of a smaller last batch.</summary>
public enum LastBatch
{
    /// <summary>It is trained on: each epoch visits every row.</summary>
    Keep,

    /// <summary>Its rows are left out of that epoch.</summary>
    Drop,
}

/// <summary>What becomes of a step whose loss or gradient is not finite; nothing of it is ever applied.</summary>
public enum NonFiniteStep
{
    /// <summary>The run ends with the state before it.</summary>
    Stop,

    /// <summary>It is left out, told and counted: parameters and the optimizer's state stay, schedules go on.</summary>
    Skip,
}
