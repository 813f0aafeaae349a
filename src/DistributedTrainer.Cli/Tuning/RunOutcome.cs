namespace DistributedTrainer.Cli.Tuning;

/// <summary>How a run ended.</summary>
/// <param name="ResultJson">The text of result.json; null: there is none.</param>
/// <param name="Failure">Why not; null: it went well.</param>
internal sealed record RunOutcome(string? ResultJson, string? Failure);
