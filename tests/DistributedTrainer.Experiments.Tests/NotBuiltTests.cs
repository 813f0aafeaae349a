namespace DistributedTrainer.Experiments.Tests;

/// <summary>What the design names and the trainer does not do yet is refused, never ignored.</summary>
public sealed class NotBuiltTests
{
    [Theory]
    [InlineData("checkpoint: { every-steps: 100 }", "checkpoint: checkpoint")]
    [InlineData("training: { mode: stale }", "training.mode: stale")]
    [InlineData("training: { mode: async }", "training.mode: async")]
    [InlineData("training: { accumulate: 2 }", "training.accumulate: accumulate")]
    [InlineData("training: { staleness: 3 }", "training.staleness: staleness")]
    [InlineData("training: { local-steps: 4 }", "training.local-steps: local-steps")]
    [InlineData("training: { compression: int8 }", "training.compression: compression")]
    [InlineData("training: { early-stopping: { patience: 5 } }", "training.early-stopping: early-stopping")]
    [InlineData("cluster: { transport: shared-memory }", "cluster.transport: shared-memory")]
    [InlineData("optimizer: { kind: nesterov }", "optimizer.kind: nesterov")]
    [InlineData("optimizer: { kind: rmsprop }", "optimizer.kind: rmsprop")]
    [InlineData("optimizer: { kind: adamw }", "optimizer.kind: adamw")]
    [InlineData("optimizer: { kind: adagrad }", "optimizer.kind: adagrad")]
    [InlineData("optimizer: { l1: 0.1 }", "optimizer.l1: l1")]
    [InlineData("optimizer: { clip-norm: 1 }", "optimizer.clip-norm: clip-norm")]
    [InlineData("optimizer: { clip-value: 1 }", "optimizer.clip-value: clip-value")]
    [InlineData("optimizer: { schedule: { kind: cosine, steps: 1000 } }", "optimizer.schedule.kind: cosine")]
    [InlineData("loss: huber", "loss: huber")]
    [InlineData("loss: { cross-entropy: { label-smoothing: 0.1 } }", "loss: values of a loss")]
    public void Keys_and_values_that_are_not_built_are_refused(string line, string expected)
    {
        var problem = Reads.Problem(line);

        Assert.StartsWith($"test.yaml:5: {expected}", problem);
        Assert.Contains(" not built yet. ", problem);
    }

    [Theory]
    [InlineData("folds: 5", "data.folds")]
    [InlineData("validation-source: v.csv", "data.validation-source")]
    [InlineData("test-source: t.csv", "data.test-source")]
    [InlineData("augment: [ shift: 1 ]", "data.augment")]
    [InlineData("preprocess: [ polynomial: 3 ]", "data.preprocess.0")]
    [InlineData("preprocess: [ center, one-hot: [ colour ] ]", "data.preprocess.1")]
    public void Ways_to_prepare_data_that_are_not_built_are_refused(string key, string path)
    {
        var problem = Assert.Single(Reads.Problems($"data:\n  source: digits\n  {key}\nmodel: {{ layers: [ linear: 10 ] }}\n"));

        Assert.StartsWith($"test.yaml:3: {path}: ", problem);
        Assert.Contains(" not built yet. ", problem);
    }

    [Fact]
    public void Parquet_files_are_refused()
    {
        var problem = Assert.Single(Reads.Problems("data: { source: rows.PARQUET }\nmodel: { layers: [ linear: 10 ] }\n"));

        Assert.Equal("test.yaml:1: data.source: Parquet files are not built yet. Write the path of a .csv file.", problem);
    }

    [Fact]
    public void Starting_weights_are_refused()
    {
        var problem = Assert.Single(Reads.Problems("data: { source: digits }\nmodel: { from: start.safetensors, layers: [ linear: 10 ] }\n"));

        Assert.Equal("test.yaml:2: model.from: from is not built yet. Remove it.", problem);
    }

    [Theory]
    [InlineData("leaky-relu")]
    [InlineData("elu: 1.0")]
    [InlineData("softmax")]
    [InlineData("log-softmax")]
    [InlineData("softplus")]
    [InlineData("gelu")]
    [InlineData("silu")]
    [InlineData("conv2d: { outputs: 8, kernel: 3 }")]
    [InlineData("max-pool2d: 2")]
    [InlineData("avg-pool2d: 2")]
    [InlineData("global-avg-pool2d")]
    [InlineData("flatten")]
    [InlineData("layer-norm: { epsilon: 1.0e-5 }")]
    [InlineData("residual: [ linear: 10, relu ]")]
    public void Layers_that_are_not_built_are_refused_once_with_the_list_of_those_that_are(string layer)
    {
        var name = layer.Split(':')[0];

        Assert.Equal(
            $"test.yaml:3: model.layers.0: {name} is not built yet. Built are linear, batch-norm, relu, tanh, sigmoid, dropout.",
            Reads.LayerProblem($"[ {layer}, linear: 10 ]"));
    }

    [Fact]
    public void Values_that_ask_for_nothing_are_accepted()
    {
        var read = Reads.Good("""
            data: { source: digits, augment: [], folds: null, validation-source: null }
            model: { from: null, layers: [ linear: 10 ] }
            optimizer: { l1: 0.0, clip-norm: null, clip-value: null, schedule: constant }
            training: { mode: sync, accumulate: 1, local-steps: 1, staleness: 0, compression: none, early-stopping: null }
            cluster: { transport: auto }
            checkpoint: {}
            """);

        Assert.Equal(Reads.Good(Reads.Minimal), read);
        Assert.Equal(read, Reads.Good(Reads.Minimal + "optimizer: { schedule: { kind: constant } }"));
    }
}
