namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A tensor in a line of weights.jsonl: what its worker told of it, and the norm of its gradient; null: not known.</summary>
internal sealed record WeightTensor(string Name, int Elements, double Low, double High, double Mean, double Norm, double? GradientNorm, int[] Counts);
