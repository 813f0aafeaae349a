using DistributedTrainer.Data;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>The files that an experiment names.</summary>
public static class ExperimentPaths
{
    /// <summary>The same experiment with absolute paths: it can be repeated from any folder.</summary>
    /// <param name="experiment">As its file says it.</param>
    /// <param name="baseDirectory">Where relative paths in it start.</param>
    public static Experiment Absolute(Experiment experiment, string baseDirectory)
    {
        var data = experiment.Data;
        return experiment with
        {
            Data = data with
            {
                Source = DatasetReader.EmbeddedNames.Contains(data.Source) ? data.Source : Full(data.Source),
                ValidationSource = data.ValidationSource is null ? null : Full(data.ValidationSource),
                TestSource = data.TestSource is null ? null : Full(data.TestSource),
            },
            Model = experiment.Model with { From = experiment.Model.From is null ? null : Full(experiment.Model.From) },
        };

        string Full(string path) => Path.GetFullPath(Path.Combine(baseDirectory, path));
    }
}
