namespace DistributedTrainer.Experiments.Tests;

/// <summary>Values given with --set.</summary>
public sealed class OverrideTests
{
    private const string Layers = "data: { source: digits }\nmodel:\n  layers:\n    - linear: 20\n    - batch-norm\n    - dropout: 0.5\n    - linear: { outputs: 10, bias: false }\n";

    [Fact]
    public void Keys_at_any_depth_are_set()
    {
        var read = Reads.Good(
            Layers + "optimizer: { kind: sgd, learning-rate: 0.1 }\n",
            "seed=7",
            "optimizer.learning-rate=0.01",
            "training.batch-size=32",
            "data.split.test=0.25",
            "model.layers.0.linear=30",
            "model.layers.1.batch-norm.momentum=0.2",
            "model.layers.2=relu",
            "model.layers.3.linear.bias=true",
            "data.preprocess=[ center, scale: 0.5 ]");

        Assert.Equal((7UL, 0.01, OptimizerKind.Sgd, 32, 0.25), (read.Seed, read.Optimizer.LearningRate, read.Optimizer.Kind, read.Training.BatchSize, read.Data.Split!.Test));
        Assert.Equal(
            [new LinearOptions(30), new BatchNormOptions(Momentum: 0.2), new ActivationOptions(ActivationKind.Relu), new LinearOptions(10, Bias: true)],
            read.Model.Layers);
        Assert.Equal([new PreprocessOptions(PreprocessKind.Center), new PreprocessOptions(PreprocessKind.Scale, 0.5)], read.Data.Preprocess);
    }

    [Fact]
    public void The_last_of_two_wins()
    {
        Assert.Equal(3UL, Reads.Good(Reads.Minimal, "seed=2", "seed=3").Seed);
    }

    [Fact]
    public void A_value_may_hold_an_equals_sign_and_nothing_is_null()
    {
        var read = Reads.Good(Reads.Minimal + "seed: 5", "data.target=a=b", "seed=");

        Assert.Equal(("a=b", 42UL), (read.Data.Target, read.Seed));
    }

    [Fact]
    public void Steps_take_the_place_of_the_files_epochs_and_the_other_way_round()
    {
        var steps = Reads.Good(Reads.Minimal + "training: { epochs: 40 }", "training.steps=9").Training;
        var epochs = Reads.Good(Reads.Minimal + "training: { steps: 40 }", "training.epochs=9").Training;

        Assert.Equal((null, 9L), (steps.Epochs, steps.Steps!.Value));
        Assert.Equal((9, null), (epochs.Epochs!.Value, epochs.Steps));
    }

    [Theory]
    [InlineData("learning-rate", "--set: 'learning-rate' is not of the form key=value, such as optimizer.learning-rate=0.01.")]
    [InlineData("=3", "--set: '=3' is not of the form key=value, such as optimizer.learning-rate=0.01.")]
    [InlineData("seed=x", "--set: seed: 'x' is not possible. Write a whole number from 0 to 18446744073709551615.")]
    [InlineData("seeds=3", "--set: seeds: there is no such key. Did you mean seed?")]
    [InlineData("optimizer.lr=3", "--set: optimizer.lr: there is no such key. Did you mean learning-rate?")]
    [InlineData("optimizr.learning-rate=3", "--set: optimizr: there is no such key. Did you mean optimizer?")]
    [InlineData("optimizer..kind=sgd", "--set: optimizer.: there is no such key. Possible are kind, learning-rate, weight-decay, l1, l1-zeros, decay-biases, clip-norm, clip-value, beta1, beta2, epsilon, schedule.")]
    [InlineData("optimizer=sgd", "--set: optimizer: 'sgd' is not a section. Write keys under it, such as optimizer: { kind: adam }.")]
    [InlineData("model.layers.7.linear=3", "--set: model.layers.7.linear: '7' is no place in model.layers, a list of 4. Write a number from 0 to 3, or the whole list.")]
    [InlineData("model.layers.-1.linear=3", "--set: model.layers.-1.linear: '-1' is no place in model.layers, a list of 4. Write a number from 0 to 3, or the whole list.")]
    [InlineData("model.layers.last=3", "--set: model.layers.last: 'last' is no place in model.layers, a list of 4. Write a number from 0 to 3, or the whole list.")]
    [InlineData("data.source.x=3", "--set: data.source.x: data.source is 'digits', without keys of its own. Set data.source itself.")]
    [InlineData("model.layers.0.linear.outputs=3", "--set: model.layers.0.linear.outputs: model.layers.0.linear is '20', without keys of its own. Set model.layers.0.linear itself.")]
    [InlineData("model.layers.2.dropout=1", "--set: model.layers.2.dropout: '1' is not possible. Write a rate from 0 to below 1.")]
    [InlineData("training={ epochs: 3, epochs: 4 }", "--set: training.epochs: this key is given twice, first in line 1. Remove one of them.")]
    [InlineData("training.staleness=3", "--set: training.staleness: sync has no such bound. Write mode: stale, or remove it.")]
    public void A_bad_one_is_reported_without_a_line(string text, string expected)
    {
        Assert.Equal(expected, Assert.Single(Reads.Problems(Layers, text)));
    }

    [Fact]
    public void A_value_that_is_not_YAML_is_reported_with_its_key()
    {
        Assert.StartsWith("--set: data.preprocess: this is not YAML: ", Assert.Single(Reads.Problems(Layers, "data.preprocess=[ center")));
    }

    [Fact]
    public void Problems_of_overrides_come_after_those_of_the_file()
    {
        Assert.Equal(
            ["test.yaml:5: loss: 'none' is unknown.", "--set: seed: 'x' is not possible."],
            Reads.Problems(Reads.Minimal + "loss: none\n", "seed=x").Select(static problem => problem[..(problem.IndexOf(". ", StringComparison.Ordinal) + 1)]));
    }

    [Fact]
    public void What_the_file_has_wrong_can_be_put_right()
    {
        Assert.Equal(64, Reads.Good(Reads.Minimal + "training: { batch-size: none }", "training.batch-size=64").Training.BatchSize);
    }
}
