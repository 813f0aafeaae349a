namespace DistributedTrainer.Cluster.Replay;

/// <summary>One update of the lead partition, laid open.</summary>
/// <param name="Number">The update, from 0.</param>
/// <param name="Worker">Who pushed it.</param>
/// <param name="Shards">Whose leaves it has.</param>
/// <param name="Step">Of these leaves.</param>
/// <param name="ComputedAt">Updates that the parameters had which it was computed with.</param>
/// <param name="GradientNorm">Of the mean gradient.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Loss">Mean over them.</param>
/// <param name="LeftOut">Whether it was not finite, and nothing was applied.</param>
public sealed record ReplayedUpdate(long Number, string Worker, int[] Shards, long Step, long ComputedAt, double GradientNorm, int Rows, double Loss, bool LeftOut);
