using DistributedTrainer.Data;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>The files that an experiment names.</summary>
public static class ExperimentPaths
{
    /// <summary>The files and folders that an experiment reads, as it names them: its data and starting weights.</summary>
    public static IEnumerable<string> Files(Experiment experiment) =>
        ((string?[])[experiment.Data.Source, experiment.Data.ValidationSource, experiment.Data.TestSource, experiment.Model.From])
            .OfType<string>().Where(static path => !DatasetReader.EmbeddedNames.Contains(path));

    /// <summary>The same experiment with absolute paths: it can be repeated from any folder.</summary>
    /// <param name="experiment">As its file says it.</param>
    /// <param name="baseDirectory">Where relative paths in it start.</param>
    public static Experiment Absolute(Experiment experiment, string baseDirectory) =>
        Moved(experiment, path => Path.GetFullPath(Path.Combine(baseDirectory, path)));

    /// <summary>The same experiment for a file in another folder, where the paths in it start.</summary>
    /// <param name="experiment">With absolute paths.</param>
    /// <param name="folder">Where the file is to lie.</param>
    public static Experiment RelativeTo(Experiment experiment, string folder) =>
        Moved(experiment, path => Path.GetRelativePath(folder, path));

    private static Experiment Moved(Experiment experiment, Func<string, string> move)
    {
        var (data, from) = (experiment.Data, experiment.Model.From);
        return experiment with
        {
            Data = data with
            {
                Source = DatasetReader.EmbeddedNames.Contains(data.Source) || MemoryData.Is(data.Source) ? data.Source : move(data.Source),
                ValidationSource = data.ValidationSource is null ? null : move(data.ValidationSource),
                TestSource = data.TestSource is null ? null : move(data.TestSource),
            },
            Model = experiment.Model with { From = from is null ? null : move(from) },
        };
    }
}
