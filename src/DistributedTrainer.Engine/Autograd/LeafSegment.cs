namespace DistributedTrainer.Engine.Autograd;

/// <summary>The rows of one leaf within a batch that holds several leaves one after the other.</summary>
/// <param name="Leaf">The leaf's index in the fixed tree: its shard.</param>
/// <param name="FirstRow">Its first row in the batch.</param>
/// <param name="Rows">How many rows it has, at least 1.</param>
public readonly record struct LeafSegment(int Leaf, int FirstRow, int Rows);
