using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>What an experiment amounts to before it is run.</summary>
public sealed record ExperimentSize
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The layers from input to output.</summary>
    public required IReadOnlyList<LayerSummary> Layers { get; init; }

    /// <summary>Numbers that are learnt.</summary>
    public required long Parameters { get; init; }

    /// <summary>Rows to train on, for validation and for tests.</summary>
    public required (int Training, int Validation, int Test) Rows { get; init; }

    /// <summary>Steps of the whole run.</summary>
    public required long Steps { get; init; }

    /// <summary>Bytes that all workers send and receive in a step, where nothing is read in place.</summary>
    public required long BytesPerStep { get; init; }

    /// <summary>Each role's need.</summary>
    public required IReadOnlyList<NodeMemory> Nodes { get; init; }

    /// <summary>All processes of a cluster on one machine.</summary>
    public required long BytesTogether { get; init; }

    /// <summary>What this machine or a limit allows.</summary>
    public required long BytesAvailable { get; init; }

    /// <summary>What is wrong with that; null: nothing.</summary>
    public required string? MemoryProblem { get; init; }

    /// <summary>Reads the experiment's data and plans its run.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <param name="threads">Of each worker.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static ExperimentSize? Of(Experiment experiment, string baseDirectory, ICollection<string> problems, int threads = 1)
    {
        if (TrainingPlan.Create(experiment, baseDirectory, 0, problems) is not { } plan)
        {
            return null;
        }

        var (problem, warning) = MemoryCheck.OfMachine(plan, inProcess: false, MemoryCheck.Available, threads);
        return new ExperimentSize
        {
            Name = plan.Experiment.Name,
            Layers = LayerSummary.Of(plan.Experiment, plan.Definition),
            Parameters = plan.Model.Layout.Length,
            Rows = (plan.Data.Training.Rows, plan.Data.Validation.Rows, plan.Data.Test.Rows),
            Steps = plan.TotalSteps,
            BytesPerStep = StepTraffic.Bytes(plan),
            Nodes = MemoryEstimate.Of(plan, threads),
            BytesTogether = MemoryEstimate.Together(plan, inProcess: false, threads),
            BytesAvailable = MemoryCheck.Available,
            MemoryProblem = problem ?? warning,
        };
    }

    /// <summary>Bytes as a person reads them.</summary>
    public static string Text(long bytes) => MemoryCheck.Text(bytes);
}
