namespace DistributedTrainer.Experiments.Tests;

/// <summary>What a user is likely to get wrong, and what the answer tells to do.</summary>
public sealed class MistakesTests
{
    [Fact]
    public void Ten_mistakes_in_one_file_are_all_reported_in_the_order_of_the_file()
    {
        const string Yaml = """
            name: my run
            data:
              source: digits
              split: { validation: 0,1, test: 0.2 }
              preprocess: standardize
            model:
              layers:
                - linear: 64
                  bias: false
                - Relu
                - linear: 0
            loss: crossentropy
            optimizer:
              kind: adam
              lr: 0.01
              momentum: 0.9
            training: { epochs: "20", mode: asynch }
            learning-rate: 0.1
            """;

        Assert.Equal(
            """
            test.yaml:1: name: 'my run' cannot name a folder. Write at most 100 letters, digits, - and _.
            test.yaml:4: data.split.1: there is no such key. Write a decimal point, not a comma, before digits.
            test.yaml:5: data.preprocess: 'standardize' is not a list. Write preprocess: [ standardize ].
            test.yaml:8: model.layers.0: bias stands beside linear. Indent it to stand below, or write - linear: { bias: … }; a layer of its own needs its own dash.
            test.yaml:10: model.layers.1: there is no layer 'Relu'. Did you mean relu?
            test.yaml:11: model.layers.2.linear: '0' is not possible. Write a whole number from 1 to 1000000.
            test.yaml:12: loss: 'crossentropy' is unknown. Did you mean cross-entropy?
            test.yaml:15: optimizer.lr: there is no such key. Did you mean learning-rate?
            test.yaml:16: optimizer.momentum: adam has no momentum; momentum, nesterov have. Remove it.
            test.yaml:17: training.epochs: '20' between quotes is a text. Write it without them.
            test.yaml:17: training.mode: 'asynch' is unknown. Did you mean async?
            test.yaml:18: learning-rate: there is no such key. learning-rate belongs under optimizer.
            """.ReplaceLineEndings("\n"),
            string.Join('\n', Reads.Problems(Yaml)));
    }

    [Theory]
    [InlineData("epoch: 5", "epoch: there is no such key. epochs belongs under training.")]
    [InlineData("colour: 5", "colour: there is no such key. Possible are name, seed, data, model, loss, optimizer, training, cluster, checkpoint, tune.")]
    [InlineData("epochs: 5", "epochs: there is no such key. epochs belongs under training.")]
    [InlineData("batch-size: 5", "batch-size: there is no such key. batch-size belongs under training.")]
    [InlineData("layers: []", "layers: there is no such key. layers belongs under model.")]
    [InlineData("workers: 4", "workers: there is no such key. workers belongs under cluster.")]
    [InlineData("training: { seed: 4 }", "training.seed: there is no such key. seed belongs at the top of the file, without indentation.")]
    [InlineData("training: { learning-rate: 4 }", "training.learning-rate: there is no such key. learning-rate belongs under optimizer.")]
    [InlineData("training: { batch_size: 4 }", "training.batch_size: there is no such key. Did you mean batch-size?")]
    [InlineData("optimiser: { kind: sgd }", "optimiser: there is no such key. Did you mean optimizer?")]
    [InlineData("optimizer: { type: sgd }", "optimizer.type: there is no such key. Did you mean kind?")]
    [InlineData("optimizer: { learning-rate: 0,01 }", "optimizer.01: there is no such key. Write a decimal point, not a comma, before digits.")]
    [InlineData("Loss: cross-entropy", "Loss: there is no such key. Did you mean loss?")]
    [InlineData("loss: mse", "loss: 'mse' is unknown. Did you mean mean-squared-error?")]
    [InlineData("loss: CrossEntropy", "loss: 'CrossEntropy' is unknown. Did you mean cross-entropy?")]
    public void A_key_or_name_that_is_nearly_right_gets_the_right_one(string line, string expected)
    {
        Assert.Contains($"test.yaml:5: {expected}", Reads.Problems(Reads.Minimal + line));
    }

    [Fact]
    public void A_comma_outside_of_braces_is_named()
    {
        Assert.Equal(
            "test.yaml:6: optimizer.learning-rate: '0,01' is not a number. Write a number above 0. Write a decimal point, not a comma.",
            Reads.Problem("optimizer:\n  learning-rate: 0,01\n"));
    }

    [Fact]
    public void A_file_without_data_and_model_says_what_each_needs()
    {
        Assert.Equal(
            [
                "test.yaml: data.source: is missing. Write the name of an embedded data set (digits, iris, wine, breast-cancer, diabetes) or the path of a .csv or .parquet file.",
                "test.yaml: model.layers: is missing. Write the layers one below the other, each after a dash, such as - linear: 10.",
            ],
            Reads.Problems("seed: 1\n"));
    }

    [Fact]
    public void A_problem_carries_its_parts()
    {
        var problem = Assert.Single(ExperimentReader.Read(Reads.Minimal + "seed: x", "/some/where/test.yaml", []).Problems);

        Assert.Equal(new Problem("test.yaml", 5, "seed", "'x' is not possible. Write a whole number from 0 to 18446744073709551615."), problem);
    }
}
