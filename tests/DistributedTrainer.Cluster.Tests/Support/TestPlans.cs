using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Experiments of a few lines, and the plans that follow from them.</summary>
internal sealed record TestExperiment
{
    private static long _tokens;

    public string Source { get; init; } = "iris";

    public int Seed { get; init; } = 7;

    public string Split { get; init; } = "none";

    public string[] Layers { get; init; } = ["linear: 8", "relu", "linear: 3"];

    public string Loss { get; init; } = "cross-entropy";

    public string Optimizer { get; init; } = "{ kind: adam, learning-rate: 0.01 }";

    public string Training { get; init; } = "{ epochs: 1, batch-size: 30, shards: 4 }";

    public string Preprocess { get; init; } = "[ standardize ]";

    /// <summary>More keys of the section data, with a comma before each.</summary>
    public string Data { get; init; } = "";

    /// <summary>More keys of the section model.</summary>
    public string Model { get; init; } = "init: {}";

    public int Workers { get; init; } = 1;

    public int MinimumWorkers { get; init; } = 1;

    public int Servers { get; init; } = 1;

    public int Partitions { get; init; } = 1;

    public string Placement { get; init; } = "by-speed";

    public string Transport { get; init; } = "auto";

    public string Overlap { get; init; } = "auto";

    public string Timeline { get; init; } = "sampled";

    public string Yaml => $"""
        name: test
        seed: {Seed}
        data: {"{"} source: {Source}, split: {Split}, preprocess: {Preprocess}{Data} {"}"}
        model:
          {Model}
          layers:
        {string.Join('\n', Layers.Select(static layer => $"    - {layer}"))}
        loss: {Loss}
        optimizer: {Optimizer}
        training: {Training}
        cluster: {"{"} workers: {Workers}, minimum-workers: {MinimumWorkers}, servers: {Servers}, partitions: {Partitions}, transport: {Transport}, overlap: {Overlap}, placement: {Placement}, timeline: {Timeline} {"}"}
        """;

    /// <summary>The plan; a run token of its own keeps clusters of parallel tests apart.</summary>
    public TrainingPlan Plan(string baseDirectory = "")
    {
        var problems = new List<string>();
        var plan = TryPlan(problems, baseDirectory);
        Assert.Empty(problems);
        return plan!;
    }

    public TrainingPlan? TryPlan(List<string> problems, string baseDirectory = "")
    {
        var result = ExperimentReader.Read(Yaml, "test.yaml", []);
        Assert.Empty(result.Problems);
        return TrainingPlan.Create(result.Experiment!, baseDirectory, (ulong)Interlocked.Increment(ref _tokens) + 1_000_000, problems);
    }
}

/// <summary>A folder that is deleted at the end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("dtrain-test-").FullName;

    public string Write(string name, string text)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, name), text);
        return name;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
