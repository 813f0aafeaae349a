using System.Globalization;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;

namespace DistributedTrainer.Cli.Commands;

/// <summary>What <c>dtrain inspect</c> shows of an experiment file: what it amounts to before it is run.</summary>
internal static class ExperimentPage
{
    /// <summary>Null: it is wrong, and the problems or standard error say why.</summary>
    public static InspectPages? Of(string path, int threads, List<string> problems)
    {
        if (ExperimentArguments.Load(path, []) is not var (experiment, baseDirectory) || ExperimentSize.Of(experiment, baseDirectory, problems, threads) is not { } size)
        {
            return null;
        }

        return new InspectPages(
            new
            {
                size.Name,
                size.Parameters,
                Rows = new { size.Rows.Training, size.Rows.Validation, size.Rows.Test },
                size.Steps,
                size.BytesPerStep,
                Layers = size.Layers.Select(static layer => new { layer.Place, layer.Kind, Output = layer.Output.ToString(), layer.Parameters }),
                Memory = size.Nodes.Select(static node => new { node.Role, node.Count, node.Bytes, Parts = node.Parts.ToDictionary(static part => part.What, static part => part.Bytes) }),
                size.BytesTogether,
                size.BytesAvailable,
                size.MemoryProblem,
            },
            [
                (["what", "value"],
                [
                    ["experiment", size.Name],
                    ["parameters", Number(size.Parameters)],
                    ["rows", $"{Number(size.Rows.Training)} training, {Number(size.Rows.Validation)} validation, {Number(size.Rows.Test)} test"],
                    ["steps", Number(size.Steps)],
                    ["sent in a step, all workers", ExperimentSize.Text(size.BytesPerStep)],
                    ["memory on one machine", $"{ExperimentSize.Text(size.BytesTogether)} of {ExperimentSize.Text(size.BytesAvailable)}{(size.MemoryProblem is null ? "" : ", too little or close")}"],
                ]),
                (["layer", "kind", "output", "parameters"], [.. size.Layers.Select(static layer => (string[])[Number(layer.Place), layer.Kind, layer.Output.ToString(), Number(layer.Parameters)])]),
                (["role", "nodes", "memory of one", "of it"], [.. size.Nodes.Select(static node => (string[])
                [
                    node.Role, Number(node.Count), ExperimentSize.Text(node.Bytes),
                    string.Join(", ", node.Parts.Where(static part => part.Bytes > 0).Select(static part => $"{part.What} {ExperimentSize.Text(part.Bytes)}")),
                ])]),
            ]);
    }

    private static string Number(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);
}

/// <summary>What is shown: as JSON, or as tables one below the other.</summary>
internal sealed record InspectPages(object Json, IReadOnlyList<(string[] Headers, List<string[]> Rows)> Tables)
{
    public static readonly InspectPages None = new(new object(), []);
}
