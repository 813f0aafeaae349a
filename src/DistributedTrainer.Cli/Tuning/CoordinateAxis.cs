namespace DistributedTrainer.Cli.Tuning;

/// <summary>One axis of parallel coordinates.</summary>
/// <param name="Name">Below it.</param>
/// <param name="Labels">Beside it: how far up, from 0 to 1, and what.</param>
/// <param name="At">How far up a value lies.</param>
internal sealed record CoordinateAxis(string Name, IReadOnlyList<(double At, string Label)> Labels, Func<string, double> At);
