namespace DistributedTrainer.Engine.Kernels;

/// <summary>How a tile walks over k: runs of equal depth, with a skip after each (as an image's rows within its border).</summary>
/// <param name="AStep">From one k to the next in A.</param>
/// <param name="BStep">From one k to the next in B.</param>
/// <param name="Depth">Values of k in a run.</param>
/// <param name="Runs">Runs.</param>
/// <param name="ASkip">Added in A after a run.</param>
/// <param name="BSkip">Added in B after a run.</param>
/// <param name="ALine">From one row of the tile to the next in A: 1 in a packed panel, a row's length where A is read in place.</param>
internal readonly record struct TilePath(int AStep, int BStep, int Depth, int Runs = 1, int ASkip = 0, int BSkip = 0, int ALine = 1);
