namespace DistributedTrainer.Experiments.Tests;

/// <summary>Every key has the default that the design documents.</summary>
public sealed class DefaultsTests
{
    [Fact]
    public void Every_key_that_is_not_given_has_its_documented_default()
    {
        var read = Reads.Good(Reads.Minimal);

        Assert.Equal("test", read.Name);
        Assert.Equal(42UL, read.Seed);
        Assert.Null(read.Data.Target);
        Assert.Null(read.Data.Task);
        Assert.Equal(new SplitOptions { Validation = 0.1, Test = 0.2, Stratify = true }, read.Data.Split);
        Assert.Equal((null, null, null, null), (read.Data.Folds, read.Data.ValidationSource, read.Data.TestSource, read.Data.Image));
        Assert.Empty(read.Data.Preprocess);
        Assert.Empty(read.Data.Augment);
        Assert.True(read.Data.Shuffle);
        Assert.Equal(new WeightOptions(WeightKind.He), read.Model.Init.Weights);
        Assert.Equal(0, read.Model.Init.Bias);
        Assert.Null(read.Model.From);
        Assert.Equal([new LinearOptions(10, Bias: true)], read.Model.Layers);
        Assert.Equal(new LossOptions(LossKind.CrossEntropy, LabelSmoothing: 0), read.Loss);
        Assert.Equal(
            new OptimizerOptions
            {
                Kind = OptimizerKind.Adam,
                LearningRate = 0.001,
                WeightDecay = 0,
                L1 = 0,
                L1Zeros = false,
                DecayBiases = false,
                ClipNorm = null,
                ClipValue = null,
                Beta1 = 0.9,
                Beta2 = 0.999,
                Epsilon = 1e-8,
                Schedule = new ConstantScheduleOptions(),
            },
            read.Optimizer);
        Assert.Equal(
            new TrainingOptions { Epochs = 20, Steps = null, BatchSize = 128, Shards = 4, Mode = TrainingMode.Sync, Accumulate = 1, LastBatch = LastBatch.Keep, NonFinite = NonFiniteStep.Stop, EarlyStopping = null },
            read.Training);
        Assert.Equal(
            new ClusterOptions { Workers = 2, Servers = 1, Partitions = 2, MinimumWorkers = 1, MaxRestarts = 3, Transport = TransportKind.Auto },
            read.Cluster);
        Assert.Equal(new CheckpointOptions { EverySteps = null, EverySeconds = 30, Keep = 3 }, read.Checkpoint);
    }

    [Fact]
    public void A_null_value_is_the_default()
    {
        var read = Reads.Good(Reads.Minimal + "name: null\nseed: ~\nloss:\noptimizer: null\ntraining: { epochs: null, steps: null, batch-size: NULL }\ncluster:\ncheckpoint: null\n");

        Assert.Equal(Reads.Good(Reads.Minimal), read);
    }

    [Fact]
    public void Layers_have_their_documented_defaults()
    {
        var read = Reads.Good("data: { source: digits }\nmodel:\n  layers: [ batch-norm, batch-norm: , batch-norm: {}, dropout: 0.3, linear: { outputs: 10 } ]\n");

        var norm = new BatchNormOptions(Momentum: 0.1, Epsilon: 1e-5, Sync: true);
        Assert.Equal([norm, norm, norm, new DropoutOptions(0.3), new LinearOptions(10, Bias: true)], read.Model.Layers);
    }

    [Theory]
    [InlineData("digits", LossKind.CrossEntropy)]
    [InlineData("iris", LossKind.CrossEntropy)]
    [InlineData("diabetes", LossKind.MeanSquaredError)]
    [InlineData("rows.csv, task: regression", LossKind.MeanSquaredError)]
    [InlineData("rows.csv, task: classification", LossKind.CrossEntropy)]
    [InlineData("diabetes, task: classification", LossKind.CrossEntropy)]
    [InlineData("rows.csv", null)]
    public void The_loss_follows_the_task_where_it_is_known(string source, LossKind? expected)
    {
        Assert.Equal(expected, Reads.Good($"data: {{ source: {source} }}\nmodel: {{ layers: [ linear: 1 ] }}").Loss?.Kind);
    }

    [Fact]
    public void Steps_take_the_place_of_epochs()
    {
        var training = Reads.Good(Reads.Minimal + "training: { steps: 3000000000 }").Training;

        Assert.Equal((null, 3_000_000_000L), (training.Epochs, training.Steps!.Value));
    }

    [Fact]
    public void Split_none_keeps_every_row_for_training()
    {
        Assert.Null(Reads.Good("data: { source: digits, split: none }\nmodel: { layers: [ linear: 10 ] }").Data.Split);
    }

    [Theory]
    [InlineData("test.yaml", "test")]
    [InlineData("/some/where/my run (2).yaml", "my-run--2-")]
    [InlineData(".yaml", "experiment")]
    [InlineData("null.yaml", "null")]
    public void The_name_comes_from_the_file(string file, string expected)
    {
        Assert.Equal(expected, ExperimentReader.Read(Reads.Minimal, file, []).Experiment!.Name);
    }

    [Fact]
    public void The_default_experiment_has_no_problems()
    {
        var result = ExperimentReader.Read(DefaultExperiment.Yaml, DefaultExperiment.FileName, []);

        Assert.Empty(result.Problems);
        Assert.Equal("digits", result.Experiment!.Name);
        Assert.Equal(9, result.Experiment.Model.Layers.Count);
        Assert.Equal(new PreprocessOptions(PreprocessKind.Scale, 0.0625), Assert.Single(result.Experiment.Data.Preprocess));
        Assert.Equal((40, 64, 4), (result.Experiment.Training.Epochs!.Value, result.Experiment.Training.BatchSize, result.Experiment.Training.Shards));
    }
}
