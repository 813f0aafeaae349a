using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Where a run was coordinated: written beside its result, which does not depend on it.</summary>
internal sealed record RunEnvironment(string Dtrain, string Runtime, string System, string Architecture, int Processors, int VectorBits)
{
    public static RunEnvironment OfThisProcess() => new(
        typeof(RunEnvironment).Assembly.GetName().Version!.ToString(3),
        RuntimeInformation.FrameworkDescription,
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString(),
        Environment.ProcessorCount,
        Hardware.VectorBits);
}
