namespace DistributedTrainer.Cli.Tuning;

/// <summary>A search cannot go on, through no fault of a trial.</summary>
/// <param name="message">Why, and what to do.</param>
internal sealed class SearchStoppedException(string message) : Exception(message);
