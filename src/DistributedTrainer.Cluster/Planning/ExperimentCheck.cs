using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Everything that can be known to be wrong before a run starts.</summary>
public static class ExperimentCheck
{
    /// <summary>Reads the experiment and its data and reports all problems of both at once.</summary>
    /// <param name="yaml">The experiment file's text.</param>
    /// <param name="fileName">Named in problems.</param>
    /// <param name="baseDirectory">Where relative paths in it start.</param>
    /// <param name="overrides">key=value each, as given with --set.</param>
    /// <param name="experiment">With all that its data decides, such as the loss where none is named; null where the file itself has problems.</param>
    public static IReadOnlyList<string> Check(
        string yaml, string fileName, string baseDirectory, IReadOnlyList<string> overrides, out Experiment? experiment)
    {
        var result = ExperimentReader.Read(yaml, fileName, overrides);
        experiment = result.Experiment;
        var problems = result.Problems.Select(static problem => problem.ToString()).ToList();
        if (experiment is not null)
        {
            experiment = TrainingPlan.Create(experiment, baseDirectory, 0, problems)?.Experiment ?? experiment;
        }

        return problems;
    }
}
