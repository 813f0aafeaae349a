namespace DistributedTrainer.Experiments;

/// <summary>What reading an experiment gave.</summary>
/// <param name="Experiment">Null where there are problems.</param>
/// <param name="Problems">All of them, in the order of the file.</param>
public sealed record ExperimentResult(Experiment? Experiment, IReadOnlyList<Problem> Problems);
