namespace DistributedTrainer.Experiments.Tests;

/// <summary>The written file says all of an experiment.</summary>
public sealed class RoundTripTests
{
    [Fact]
    public void Reading_what_was_written_gives_an_equal_experiment_and_writing_that_the_same_text()
    {
        for (var seed = 0u; seed < 1000; seed++)
        {
            var experiment = RandomExperiments.Number(seed);
            var text = ExperimentWriter.Write(experiment);
            var result = ExperimentReader.Read(text, "other.yaml", []);

            Assert.True(result.Experiment is not null, $"experiment {seed}: {string.Join('\n', result.Problems)}\n{text}");
            Assert.True(experiment == result.Experiment, $"experiment {seed}: {text}");
            Assert.Equal(text, ExperimentWriter.Write(result.Experiment));
        }
    }

    [Fact]
    public void The_random_experiments_differ_and_cover_every_kind()
    {
        var experiments = Enumerable.Range(0, 1000).Select(static seed => RandomExperiments.Number((uint)seed)).ToArray();

        Assert.Equal(1000, experiments.Distinct().Count());
        Assert.Equal(Enum.GetValues<OptimizerKind>(), experiments.Select(static e => e.Optimizer.Kind).Distinct().Order());
        Assert.Equal([null, .. Enum.GetValues<LossKind>().Cast<LossKind?>()], experiments.Select(static e => e.Loss?.Kind).Distinct().Order());
        Assert.Equal(Enum.GetValues<PreprocessKind>(), experiments.SelectMany(static e => e.Data.Preprocess).Select(static step => step.Kind).Distinct().Order());
        Assert.Equal(Enum.GetValues<AugmentKind>(), experiments.SelectMany(static e => e.Data.Augment).Select(static change => change.Kind).Distinct().Order());
        Assert.Equal(Enum.GetValues<ActivationKind>(), experiments.SelectMany(static e => e.Model.Layers).OfType<ActivationOptions>().Select(static layer => layer.Kind).Distinct().Order());
        Assert.Equal(Subclasses(typeof(ScheduleOptions)), Types(experiments.Select(static e => e.Optimizer.Schedule)));
        Assert.Equal(Subclasses(typeof(TuneRange)), Types(experiments.SelectMany(static e => e.Tune?.Ranges ?? [])));
        Assert.Equal(Subclasses(typeof(LayerOptions)), Types(experiments.SelectMany(static e => e.Model.Layers)));
        Assert.Equal(Enum.GetValues<WeightKind>(), experiments.Select(static e => e.Model.Init.Weights.Kind).Distinct().Order());
    }

    [Fact]
    public void All_defaults_are_written_out()
    {
        Assert.Equal(
            """
            name: test
            seed: 42
            data:
              source: 'digits'
              target: null
              task: null
              split: { validation: 0.1, test: 0.2, stratify: true }
              folds: null
              training-share: 1
              validation-source: null
              test-source: null
              image: null
              preprocess: []
              augment: []
              shuffle: true
            model:
              from: null
              init: { weights: he, bias: zeros }
              layers:
                - linear: { outputs: 10, bias: true }
            loss: { kind: cross-entropy, label-smoothing: 0 }
            optimizer:
              kind: adam
              learning-rate: 0.001
              weight-decay: 0
              l1: 0
              l1-zeros: false
              decay-biases: false
              clip-norm: null
              clip-value: null
              beta1: 0.9
              beta2: 0.999
              epsilon: 1E-08
              schedule: { kind: constant }
            training:
              epochs: 20
              batch-size: 128
              shards: 4
              mode: sync
              accumulate: 1
              last-batch: keep
              non-finite: stop
              early-stopping: null
            cluster: { workers: 2, servers: 1, partitions: 2, minimum-workers: 1, max-restarts: 3, transport: auto, overlap: auto, placement: by-speed, timeline: sampled }
            checkpoint: { every-steps: null, every-seconds: 30, keep: 3 }

            """.ReplaceLineEndings("\n"),
            ExperimentWriter.Write(Reads.Good(Reads.Minimal)));
    }

    [Fact]
    public void The_default_experiment_survives()
    {
        var experiment = ExperimentReader.Read(DefaultExperiment.Yaml, DefaultExperiment.FileName, []).Experiment!;

        Assert.Equal(experiment, Reads.Good(ExperimentWriter.Write(experiment)));
    }

    private static IEnumerable<string> Subclasses(Type type) => type.Assembly.GetTypes().Where(other => other.IsSubclassOf(type)).Select(static other => other.Name).Order();

    private static IEnumerable<string> Types(IEnumerable<object> values) => values.Select(static value => value.GetType().Name).Distinct().Order();
}
