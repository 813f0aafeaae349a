using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>What training is measured, and for how long.</summary>
internal sealed record TrainSettings
{
    // More than any measurement takes: the run is ended as soon as enough was measured.
    private const long EndlessSteps = 1_000_000_000;

    public required BenchNetwork Network { get; init; }

    /// <summary>Rows of a worker, or of each thread of a worker node, in a step.</summary>
    public int Batch { get; init; } = 128;

    public int Workers { get; init; } = 2;

    /// <summary>Threads of each worker node.</summary>
    public int WorkersPerNode { get; init; } = 1;

    /// <summary>Of all worker nodes.</summary>
    public int Threads => Workers * WorkersPerNode;

    public int Servers { get; init; } = 1;

    /// <summary>Null: as many as the experiment's default, at least as many as servers.</summary>
    public int? Partitions { get; init; }

    /// <summary>Leaves of a step, over all workers; null: one a worker, or a thread.</summary>
    public int? Leaves { get; init; }

    public string Optimizer { get; init; } = "adam";

    public string Transport { get; init; } = "auto";

    /// <summary>Whether gradients and parameters travel while a step is computed: auto, always, never.</summary>
    public string Overlap { get; init; } = "auto";

    /// <summary>Steps of a window.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Windows; the best counts.</summary>
    public int Repeat { get; init; } = 5;

    /// <summary>Rows of the data that is made.</summary>
    public int Rows { get; init; } = 60_000;

    /// <summary>A folder of IDX files that is trained on instead; null: rows are made.</summary>
    public string? DataFolder { get; init; }

    public bool InProcess { get; init; }

    /// <summary>Of all nodes; null: the cluster is open to others of the machine.</summary>
    public NodeCertificates? Certificates { get; init; }

    public int RowsPerStep => Batch * Threads;

    /// <summary>Everything that is wrong with it.</summary>
    public IEnumerable<string> Problems()
    {
        var problems = new List<string>();
        BenchOptions.AtLeastOne("--batch", Batch, 1 << 20, problems);
        BenchOptions.AtLeastOne("--workers", Workers, 1024, problems);
        BenchOptions.AtLeastOne("--workers-per-node", WorkersPerNode, 1024, problems);
        BenchOptions.AtLeastOne("--servers", Servers, 1024, problems);
        BenchOptions.AtLeastOne("--partitions", Partitions ?? 1, 1024, problems);
        BenchOptions.AtLeastOne("--leaves", Leaves ?? 1, 4096, problems);
        BenchOptions.AtLeastOne("--steps", Steps, int.MaxValue, problems);
        BenchOptions.AtLeastOne("--repeat", Repeat, 100_000, problems);
        BenchOptions.AtLeastOne("--rows", Rows, 10_000_000, problems);
        BenchOptions.Transport(Transport, problems);
        if (Overlap is not ("auto" or "always" or "never"))
        {
            problems.Add($"--overlap: '{Overlap}' is none of auto, always, never.");
        }

        if (!Kinds.Contains(Optimizer))
        {
            problems.Add($"--optimizer: '{Optimizer}' is none of {string.Join(", ", Kinds)}.");
        }

        if (DataFolder is not null && !Directory.Exists(DataFolder))
        {
            problems.Add($"--data: there is no folder {DataFolder}. Name one with train-images-idx3-ubyte and train-labels-idx1-ubyte.");
        }

        if (problems.Count == 0 && DataFolder is null && Rows < Math.Max(RowsPerStep, Network.Classes))
        {
            problems.Add($"--rows is {Rows}, but a step takes {RowsPerStep} ({Batch} for each of {Threads} workers) and there are {Network.Classes} classes. Make it larger.");
        }

        if (Leaves is { } leaves && (leaves < Threads || leaves > RowsPerStep))
        {
            problems.Add($"--leaves is {leaves}: each of {Threads} workers needs one at least, and each leaf one of the {RowsPerStep} rows of a step.");
        }

        if (Partitions < Servers)
        {
            problems.Add($"--partitions is {Partitions} and --servers {Servers}: each server needs a partition at least.");
        }

        if (InProcess && Servers > 1)
        {
            problems.Add($"--in-process has one server, --servers is {Servers}.");
        }

        if (!InProcess && Transport == "in-process")
        {
            problems.Add("--transport in-process reaches no other process. Add --in-process, or choose another transport.");
        }

        return problems;
    }

    /// <summary>The experiment that is run.</summary>
    /// <param name="dataFolder">Where the data is.</param>
    public string Yaml(string dataFolder) => FormattableString.Invariant($$"""
        name: bench
        data: { source: {{JsonSerializer.Serialize(dataFolder)}}, split: none, preprocess: [ scale: {{1 / 255.0}} ] }
        model: { layers: [ {{string.Join(", ", Network.Layers)}} ] }
        loss: cross-entropy
        optimizer: { kind: {{Optimizer}}, learning-rate: 0.001 }
        training: { steps: {{EndlessSteps}}, batch-size: {{RowsPerStep}}, shards: {{Leaves ?? Threads}}, last-batch: drop }
        cluster: { workers: {{Workers}}, minimum-workers: {{Workers}}, servers: {{Servers}}, partitions: {{Partitions ?? Servers}}, max-restarts: 0, transport: {{Transport}}, overlap: {{Overlap}} }
        checkpoint: { every-seconds: null }
        """);

    private static string[] Kinds { get; } = Array.ConvertAll(Enum.GetValues<OptimizerKind>(), ExperimentNames.Of);
}
