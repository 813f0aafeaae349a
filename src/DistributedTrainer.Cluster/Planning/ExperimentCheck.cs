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
    /// <param name="machine">Where all nodes are to be on this machine: whether in one process; then there must be memory for them.</param>
    /// <param name="warnings">Receives what is possible but close.</param>
    /// <param name="threads">Of each worker, on this machine.</param>
    public static IReadOnlyList<string> Check(
        string yaml, string fileName, string baseDirectory, IReadOnlyList<string> overrides, out Experiment? experiment,
        LocalMemory machine = LocalMemory.Elsewhere, ICollection<string>? warnings = null, int threads = 1)
    {
        var result = ExperimentReader.Read(yaml, fileName, overrides);
        experiment = result.Experiment;
        var problems = result.Problems.Select(static problem => problem.ToString()).ToList();
        if (experiment is not null)
        {
            var plan = TrainingPlan.Create(experiment, baseDirectory, 0, problems);
            experiment = plan?.Experiment ?? experiment;
            if (plan is not null && machine != LocalMemory.Elsewhere)
            {
                var (problem, warning) = MemoryCheck.OfMachine(plan, machine == LocalMemory.OneProcess, MemoryCheck.Available, threads);
                Add(problem, problems);
                Add(warning, warnings);
            }
        }

        return problems;
    }

    private static void Add(string? text, ICollection<string>? to)
    {
        if (text is not null)
        {
            to?.Add(text);
        }
    }
}

/// <summary>Where the nodes of a run are.</summary>
public enum LocalMemory
{
    /// <summary>On other machines, or it is not known.</summary>
    Elsewhere,

    /// <summary>All of them are processes of this machine.</summary>
    OneMachine,

    /// <summary>All of them are threads of this process.</summary>
    OneProcess,
}
