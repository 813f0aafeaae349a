using DistributedTrainer.Experiments;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>What of an experiment may be changed while it is trained.</summary>
public sealed class RunSettingsTests
{
    private const string Yaml = """
        name: test
        data: { source: iris }
        model: { layers: [ linear: 3 ] }
        training: { epochs: 3, shards: 4, mode: stale, staleness: 2 }
        cluster: { workers: 3, minimum-workers: 2 }
        checkpoint: { every-steps: 50, every-seconds: null, keep: 4 }
        """;

    private static Experiment Trained => ExperimentReader.Read(Yaml, "test.yaml", []).Experiment!;

    [Fact]
    public void Their_values_are_those_of_the_file() => Assert.Equal(
        [("training.mode", "stale"), ("training.staleness", "2"), ("checkpoint.every-steps", "50"), ("checkpoint.every-seconds", "null"), ("checkpoint.keep", "4"), ("cluster.minimum-workers", "2")],
        RunSettings.Of(Trained));

    [Theory]
    [InlineData("training.mode=async", "training.mode=async training.staleness=null")]
    [InlineData("training.mode=sync", "training.mode=sync training.staleness=null")]
    [InlineData("training.staleness=7", "training.staleness=7")]
    [InlineData("training.mode=stale", "")]
    [InlineData("checkpoint.every-steps=null checkpoint.every-seconds=0.5", "checkpoint.every-steps=null checkpoint.every-seconds=0.5")]
    [InlineData("checkpoint.keep=9 cluster.minimum-workers=1", "")]
    [InlineData("training.mode=async training.mode=stale training.staleness=3", "training.staleness=3")]
    public void What_is_different_makes_the_same_of_what_was_prepared(string set, string overrides)
    {
        var problems = new List<string>();
        var changed = RunSettings.Changed(Trained, set.Split(' '), problems);
        Assert.Empty(problems);
        var told = RunSettings.Overrides(Trained, changed!);
        Assert.Equal(overrides, string.Join(' ', told));

        // Whoever is told has the same experiment, but for what is the coordinator's business.
        var with = RunSettings.With(Trained, told);
        Assert.Equal((changed!.Training, changed.Checkpoint with { Keep = 4 }), (with.Training, with.Checkpoint));
        Assert.All(RunSettings.Between(with, changed), static change => Assert.False(RunSettings.ConcernsNodes(change.Key)));
    }

    [Fact]
    public void Whoever_begins_with_sync_gets_the_default_bound_and_back_again()
    {
        var problems = new List<string>();
        var sync = RunSettings.Changed(Trained, ["training.mode=sync"], problems)!;
        var stale = RunSettings.Changed(sync, ["training.mode=stale"], problems)!;
        Assert.Empty(problems);
        Assert.Equal([new SettingChange("training.mode", "sync", "stale"), new SettingChange("training.staleness", "null", "4")], RunSettings.Between(sync, stale));
        Assert.Equal(sync.Training, RunSettings.With(stale, RunSettings.Overrides(stale, sync)).Training);
    }

    [Theory]
    [InlineData("seed=1", "--set: seed: it cannot be changed while the run goes on. What can: training.mode, training.staleness, checkpoint.every-steps, checkpoint.every-seconds, checkpoint.keep, cluster.minimum-workers. For anything else begin a new run, from this one's weights with model.from.")]
    [InlineData("training.shards=2", "--set: training.shards: it cannot be changed")]
    [InlineData("training={ mode: async, epochs: 3 }", "--set: training: it cannot be changed")]
    [InlineData("optimizer.learning-rate=0.5", "--set: optimizer.learning-rate: it cannot be changed")]
    [InlineData("training.mod=async", "--set: training.mod: there is no such key. Did you mean mode?")]
    [InlineData("training.mode=fast", "--set: training.mode: 'fast'")]
    [InlineData("checkpoint.keep=0", "--set: checkpoint.keep: ")]
    [InlineData("cluster.minimum-workers=4", "--set: cluster.minimum-workers: 4 is more than cluster.workers, 3")]
    [InlineData("training.mode", "--set: 'training.mode' is not of the form key=value")]
    public void Anything_else_is_refused_by_name(string set, string problem)
    {
        var problems = new List<string>();
        Assert.Null(RunSettings.Changed(Trained, [set], problems));
        Assert.StartsWith(problem, Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bound_without_its_mode_is_refused()
    {
        var problems = new List<string>();
        Assert.Null(RunSettings.Changed(Trained, ["training.mode=async", "training.staleness=3"], problems));
        Assert.StartsWith("--set: training.staleness: async has no such bound.", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Compression_stays_with_sync()
    {
        var problems = new List<string>();
        var compressed = ExperimentReader.Read(Yaml.Replace("mode: stale, staleness: 2", "compression: int8", StringComparison.Ordinal), "test.yaml", []).Experiment!;
        Assert.Null(RunSettings.Changed(compressed, ["training.mode=async"], problems));
        Assert.Contains("compression", Assert.Single(problems), StringComparison.Ordinal);
    }
}
