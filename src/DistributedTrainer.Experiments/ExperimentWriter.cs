namespace DistributedTrainer.Experiments;

/// <summary>Writes experiments as YAML.</summary>
public static class ExperimentWriter
{
    /// <summary>The file with all defaults written out; reading it gives an equal experiment.</summary>
    /// <param name="experiment">What to write.</param>
    public static string Write(Experiment experiment) => throw new NotImplementedException();
}
