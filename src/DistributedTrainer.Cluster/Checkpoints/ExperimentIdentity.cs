using System.Security.Cryptography;
using System.Text;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>
/// Which experiments have the same result, given the same data: those that differ only in who computes, in when checkpoints
/// are written, in where they pause, in the name, and in where the files lie. What is in the files is compared by their checksums.
/// </summary>
public static class ExperimentIdentity
{
    /// <summary>SHA-256 of all that matters, in lower-case hexadecimal.</summary>
    public static string Sha256(Experiment experiment)
    {
        var plain = experiment with
        {
            Name = "experiment",
            Cluster = new ClusterOptions(),
            Checkpoint = new CheckpointOptions(),
            Tune = null,

            // Up to any checkpoint it has made no difference: what a step that is not finite leads to, it leads to after it.
            // Nor does where it pauses.
            Training = experiment.Training with { NonFinite = NonFiniteStep.Stop, PauseAfter = null },
            Data = experiment.Data with { Source = "data", ValidationSource = Named(experiment.Data.ValidationSource), TestSource = Named(experiment.Data.TestSource) },
            Model = experiment.Model with { From = Named(experiment.Model.From) },
        };
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ExperimentWriter.Write(plain))));
    }

    private static string? Named(string? file) => file is null ? null : "file";
}
