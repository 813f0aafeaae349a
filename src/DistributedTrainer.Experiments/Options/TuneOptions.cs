namespace DistributedTrainer.Experiments;

/// <summary>The section <c>tune</c>: what <c>dtrain tune</c> searches. Training does not read it.</summary>
public sealed record TuneOptions
{
    /// <summary>How the trials are chosen.</summary>
    public SearchKind Search { get; init; } = SearchKind.Random;

    /// <summary>Trials at most, at least 1; null: all of a grid, <see cref="DefaultTrials"/> at random.</summary>
    public int? Trials { get; init; }

    /// <summary>What decides which trial is best.</summary>
    public EarlyStoppingMetric Metric { get; init; } = EarlyStoppingMetric.ValidationLoss;

    /// <summary>When trials that fall behind are stopped; null: all run to their end.</summary>
    public HalvingOptions? Halving { get; init; }

    /// <summary>What is varied, in the order of the file; empty: nothing, which makes one trial.</summary>
    public ValueList<TuneRange> Ranges { get; init; } = [];

    /// <summary>Trials of a random search where none are given.</summary>
    public const int DefaultTrials = 20;
}

/// <summary>How trials are chosen.</summary>
public enum SearchKind
{
    /// <summary>Every combination.</summary>
    Grid,

    /// <summary>Each value by chance, for itself (Bergstra and Bengio, 2012).</summary>
    Random,
}

/// <summary>What one key of the experiment is varied over.</summary>
/// <param name="Key">Dotted path, as for --set.</param>
public abstract record TuneRange(string Key);

/// <summary>Some values.</summary>
/// <param name="Key">Dotted path, as for --set.</param>
/// <param name="Values">YAML each, on one line; at least one.</param>
public sealed record ChoiceRange(string Key, ValueList<string> Values) : TuneRange(Key);

/// <summary>All numbers between two.</summary>
/// <param name="Key">Dotted path, as for --set.</param>
/// <param name="From">The lowest.</param>
/// <param name="To">The highest, above <paramref name="From"/>.</param>
/// <param name="Scale">Whether differences or ratios are the same along the range.</param>
/// <param name="Whole">Whether only whole numbers are meant.</param>
/// <param name="Points">How many of them a grid takes, both ends included; at least 2.</param>
public sealed record NumberRange(string Key, double From, double To, RangeScale Scale = RangeScale.Linear, bool Whole = false, int Points = NumberRange.DefaultPoints) : TuneRange(Key)
{
    /// <summary>Points of a grid where none are given.</summary>
    public const int DefaultPoints = 5;
}

/// <summary>How numbers lie in a range.</summary>
public enum RangeScale
{
    /// <summary>Equal differences.</summary>
    Linear,

    /// <summary>Equal ratios; both ends are above 0.</summary>
    Log,
}
