using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Checkpoints;

public sealed class ResumePointTests : IDisposable
{
    private const string Yaml = """
        name: test
        seed: 7
        data: { source: iris, split: { validation: 0.2, test: 0.1 }, preprocess: [ standardize ], augment: [ noise: 0.1 ] }
        model:
          init: { weights: he }
          layers:
          - linear: 8
          - relu
          - linear: 3
        loss: cross-entropy
        optimizer: { kind: adam, learning-rate: 0.01 }
        training: { epochs: 3, batch-size: 30, shards: 4, early-stopping: { patience: 3 } }
        cluster: { workers: 2, servers: 1, partitions: 2 }
        checkpoint: { every-steps: 100, keep: 3 }
        """;

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("name: test", "name: other")]
    [InlineData("workers: 2", "workers: 5")]
    [InlineData("servers: 1", "servers: 2")]
    [InlineData("partitions: 2", "partitions: 4")]
    [InlineData("partitions: 2", "partitions: 2, transport: tcp, minimum-workers: 2, max-restarts: 7")]
    [InlineData("every-steps: 100", "every-steps: 3")]
    [InlineData("keep: 3", "keep: 9, every-seconds: 5")]
    [InlineData("epochs: 3", "epochs: 3, pause-after: 2")]
    [InlineData("source: iris", "source: other/place.csv")]

    // Written out, or left to the default.
    [InlineData("init: { weights: he }", "init: {}")]
    [InlineData("epochs: 3, batch-size: 30", "batch-size: 30, epochs: 3")]
    public void What_changes_no_bit_of_the_result_may_differ(string was, string becomes) => Assert.Equal(Identity(Yaml), Identity(Changed(was, becomes)));

    [Theory]
    [InlineData("seed: 7", "seed: 8")]
    [InlineData("validation: 0.2", "validation: 0.3")]
    [InlineData("test: 0.1", "test: 0.2")]
    [InlineData("[ standardize ]", "[ center ]")]
    [InlineData("[ standardize ]", "[ ]")]
    [InlineData("noise: 0.1", "noise: 0.2")]
    [InlineData("source: iris", "source: iris, shuffle: false")]
    [InlineData("source: iris", "source: iris, target: species")]
    [InlineData("source: iris, split: { validation: 0.2, test: 0.1 }", "source: iris, validation-source: a.csv, test-source: b.csv")]
    [InlineData("weights: he", "weights: glorot")]
    [InlineData("init: { weights: he }", "from: start.safetensors")]
    [InlineData("linear: 8", "linear: 9")]
    [InlineData("- relu", "- tanh")]
    [InlineData("- relu", "- dropout: 0.5")]
    [InlineData("loss: cross-entropy", "loss: mean-squared-error")]
    [InlineData("kind: adam", "kind: momentum")]
    [InlineData("learning-rate: 0.01", "learning-rate: 0.02")]
    [InlineData("learning-rate: 0.01", "learning-rate: 0.01, weight-decay: 0.001")]
    [InlineData("learning-rate: 0.01", "learning-rate: 0.01, schedule: { kind: cosine, steps: 10 }")]
    [InlineData("epochs: 3", "epochs: 4")]
    [InlineData("epochs: 3", "steps: 3")]
    [InlineData("batch-size: 30", "batch-size: 31")]
    [InlineData("shards: 4", "shards: 2")]
    [InlineData("patience: 3", "patience: 4")]
    [InlineData("patience: 3", "patience: 3, restore-best: false")]
    [InlineData(", early-stopping: { patience: 3 }", "")]
    public void What_changes_the_result_may_not(string was, string becomes) => Assert.NotEqual(Identity(Yaml), Identity(Changed(was, becomes)));

    [Fact]
    public void Where_the_weights_and_sets_lie_may_differ_too()
    {
        var from = Changed("init: { weights: he }", "from: start.safetensors").Replace("split: { validation: 0.2, test: 0.1 }", "validation-source: a.csv, test-source: b.csv", StringComparison.Ordinal);
        var moved = from.Replace("start.safetensors", "/elsewhere/start.safetensors", StringComparison.Ordinal).Replace("a.csv", "/c.csv", StringComparison.Ordinal).Replace("b.csv", "/d.csv", StringComparison.Ordinal);
        Assert.NotEqual(from, moved);
        Assert.Equal(Identity(from), Identity(moved));
    }

    [Fact]
    public void A_run_goes_on_from_its_newest_checkpoint()
    {
        var plan = PlanOf(Yaml);
        Write(plan, 3);
        Write(plan, 6);
        var (checkpoint, warnings, problems) = Find(PlanOf(Changed("workers: 2", "workers: 5")));
        Assert.Equal(6, checkpoint!.Step);
        Assert.Empty(warnings.Concat(problems));
    }

    [Fact]
    public void Without_a_checkpoint_it_begins_anew()
    {
        var (checkpoint, warnings, problems) = Find(PlanOf(Yaml));
        Assert.Null(checkpoint);
        Assert.Empty(warnings.Concat(problems));
    }

    [Fact]
    public void A_damaged_one_is_passed_over_with_a_warning()
    {
        var plan = PlanOf(Yaml);
        Write(plan, 3);
        Write(plan, 6);
        File.Delete(Path.Combine(_temporary.Path, "checkpoints", "step-00000006", "partition-0.safetensors"));
        var (checkpoint, warnings, problems) = Find(plan);
        Assert.Equal(3, checkpoint!.Step);
        Assert.Contains("partition-0.safetensors", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Empty(problems);
    }

    [Fact]
    public void Another_experiment_is_refused_and_what_to_do_is_said()
    {
        Write(PlanOf(Yaml), 3);
        var problem = Assert.Single(Find(PlanOf(Changed("learning-rate: 0.01", "learning-rate: 0.02"))).Problems);
        Assert.StartsWith($"{_temporary.Path}: the experiment is not that of the checkpoint of step 3.", problem, StringComparison.Ordinal);
        Assert.Contains("model.from", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_mode_may_be_another_one_since_the_record_says_what_it_was()
    {
        var (sync, stale) = (PlanOf(Yaml), PlanOf(Changed("shards: 4", "shards: 4, mode: stale, staleness: 3")));
        Write(sync, 3);
        Assert.Empty(Find(stale).Problems);
        var checkpoint = SampleCheckpoint.Of(stale, 6);
        checkpoint.Orders = [new OrderSection(3, [[1], [2]], TrainingMode.Stale, 3)];
        new CheckpointFolder(_temporary.Path, keep: 5).Write(checkpoint, stale.Ranges);
        Assert.Equal(6, Find(sync).Checkpoint!.Step);
        Assert.Empty(Find(sync).Problems);
        Assert.Empty(Find(PlanOf(Changed("shards: 4", "shards: 4, mode: async"))).Problems);
        Assert.Single(Find(PlanOf(Changed("shards: 4", "shards: 2, mode: async"))).Problems);
    }

    [Fact]
    public void Other_data_are_refused_with_both_checksums()
    {
        var rows = Enumerable.Range(0, 60).Select(static i => $"{i % 7}.5,{i % 3}");
        _temporary.Write("data.csv", "x,y\n" + string.Join('\n', rows));
        var yaml = Changed("source: iris", "source: data.csv, target: y, task: classification");
        var plan = PlanOf(yaml);
        Write(plan, 3);
        Directory.CreateDirectory(Path.Combine(_temporary.Path, "moved"));
        File.Copy(Path.Combine(_temporary.Path, "data.csv"), Path.Combine(_temporary.Path, "moved", "renamed.csv"));
        Assert.Empty(Find(PlanOf(yaml.Replace("data.csv", "moved/renamed.csv", StringComparison.Ordinal))).Problems);

        _temporary.Write("data.csv", "x,y\n9.5,0\n" + string.Join('\n', rows));
        var other = PlanOf(yaml);
        Assert.NotEqual(plan.InputsSha256, other.InputsSha256);
        var problem = Assert.Single(Find(other).Problems);
        Assert.Contains($"the data is not that of the checkpoint of step 3: its SHA-256 is {other.InputsSha256}, and was {plan.InputsSha256}", problem, StringComparison.Ordinal);
    }

    private static string Changed(string was, string becomes)
    {
        Assert.Contains(was, Yaml, StringComparison.Ordinal);
        return Yaml.Replace(was, becomes, StringComparison.Ordinal);
    }

    private static Experiment Read(string yaml)
    {
        var result = ExperimentReader.Read(yaml, "test.yaml", []);
        Assert.Empty(result.Problems);
        return result.Experiment!;
    }

    private static string Identity(string yaml) => ExperimentIdentity.Sha256(Read(yaml));

    private TrainingPlan PlanOf(string yaml)
    {
        var problems = new List<string>();
        var plan = TrainingPlan.Create(Read(yaml), _temporary.Path, 1, problems);
        Assert.Empty(problems);
        return plan!;
    }

    private void Write(TrainingPlan plan, long step) => new CheckpointFolder(_temporary.Path, keep: 5).Write(SampleCheckpoint.Of(plan, step), plan.Ranges);

    private (Checkpoint? Checkpoint, List<string> Warnings, List<string> Problems) Find(TrainingPlan plan)
    {
        var (warnings, problems) = (new List<string>(), new List<string>());
        return (ResumePoint.Find(plan, _temporary.Path, warnings, problems), warnings, problems);
    }
}
