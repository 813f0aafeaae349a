using System.Diagnostics;
using System.Globalization;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Data.Supply;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>A node's plan of a run: from its own files where they are the coordinator's, else from what that one sends.</summary>
internal static class NodePlan
{
    /// <summary>Builds the plan, or says all that is wrong.</summary>
    /// <param name="prepare">The run.</param>
    /// <param name="supply">The coordinator; null: the run needs no file.</param>
    /// <param name="hasWorkers">Whether rows are needed here.</param>
    /// <param name="log">Receives what an operator wants to know.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <param name="heldBytes">Rows that are sent are held in memory up to so many bytes; null: as the environment says.</param>
    /// <returns>The plan, and why and how the node was sent its data; null: it has the files.</returns>
    public static (TrainingPlan? Plan, string? Supplied) Create(Nodes.Prepare prepare, SupplyClient? supply, bool hasWorkers, Action<string> log, List<string> problems, long? heldBytes = null)
    {
        if (UsedExtensions.Problem(prepare.Extensions) is { } other)
        {
            problems.Add(other);
            return (null, null);
        }

        var result = ExperimentReader.Read(prepare.ExperimentYaml, "experiment.yaml", []);
        problems.AddRange(result.Problems.Select(static problem => problem.ToString()));
        if (result.Experiment is not { } experiment)
        {
            return (null, null);
        }

        var own = TrainingPlan.Create(experiment, prepare.BaseDirectory, prepare.Token, problems);
        if (supply is null || own?.InputsSha256 == prepare.Data!.InputsSha256)
        {
            return (own, null);
        }

        // The coordinator has built its plan of this experiment: so it is the files here that are missing, or others.
        var reason = own is not null
            ? $"{string.Join(", ", ExperimentPaths.Files(experiment))} has the SHA-256 {own.InputsSha256} here, and {prepare.Data.InputsSha256} at the coordinator"
            : Missing(experiment, prepare.BaseDirectory) is { } path ? $"there is no {path}" : string.Join(' ', problems);
        log($"{reason}: the coordinator is asked for the data");
        problems.Clear();
        try
        {
            return Supply(experiment, prepare, supply, hasWorkers, reason, log, problems, heldBytes);
        }
        catch (Exception problem) when (problem is IOException or InvalidDataException)
        {
            problems.Add($"{reason}; and the coordinator's cannot be had: {problem.Message}");
            return (null, null);
        }
    }

    private static (TrainingPlan? Plan, string? Supplied) Supply(
        Experiment experiment, Nodes.Prepare prepare, SupplyClient supply, bool hasWorkers, string reason, Action<string> log, List<string> problems, long? heldBytes)
    {
        var begin = Stopwatch.GetTimestamp();
        if (supply.Describe() is not { } description)
        {
            problems.Add("the run was given up");
            return (null, null);
        }

        var data = new PreparedData(description, experiment.Training.Shards, supply, log, heldBytes);
        if (hasWorkers && data.HoldsSupplied && !data.Bring(null, static () => false))
        {
            problems.Add("the run was given up");
            return (null, null);
        }

        var plan = TrainingPlan.Create(experiment, data, prepare.Token, model => Start(model, description, data), problems);
        if (plan is not null && plan.InputsSha256 != prepare.Data!.InputsSha256)
        {
            problems.Add($"the coordinator describes data with the SHA-256 {plan.InputsSha256}, but names {prepare.Data.InputsSha256}.");
            return (null, null);
        }

        var seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        var got = !hasWorkers ? "a server needs no rows"
            : !data.HoldsSupplied ? "the rows of its shards are fetched from the coordinator when it is given them"
            : data.SuppliedBytes == 0 ? "its rows were fetched from the coordinator before, and lie in the cache folder"
            : string.Create(CultureInfo.InvariantCulture, $"{data.SuppliedBytes} bytes of rows were fetched from the coordinator in {seconds:0.00} s");
        log(got);
        return (plan, $"{reason}; {got}");
    }

    private static StartingWeights? Start(Engine.Models.Model model, DataDescription description, PreparedData data)
    {
        if (description.StartSha256 is not { } sha256)
        {
            return null;
        }

        if (description.Records.Length <= DataDescription.DataSets)
        {
            throw new InvalidDataException("model.from: the coordinator names starting weights and has none. Run the same release on all nodes.");
        }

        var records = data.Supplied(DataDescription.DataSets);
        return WeightRecords.Read(records, sha256, model.Layout.Length, model.Buffers.Length);
    }

    private static string? Missing(Experiment experiment, string baseDirectory) =>
        ExperimentPaths.Files(experiment).Where(static file => !MemoryData.Is(file)).Select(file => Path.GetFullPath(Path.Combine(baseDirectory, file))).FirstOrDefault(static path => !Path.Exists(path));
}
