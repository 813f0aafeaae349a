using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests;

/// <summary>The parameters are there, and gradients leave at the end.</summary>
internal sealed class AllAtOnce : IVersionFlow
{
    public bool Overlaps => false;

    public bool IsArriving => false;

    public void Await(int end)
    {
    }

    public void Turn()
    {
    }

    public void Done(int start)
    {
    }
}
