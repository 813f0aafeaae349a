namespace DistributedTrainer.Experiments.Tests;

/// <summary>Wrong types and impossible values: file, line, key, value and remedy.</summary>
public sealed class WrongValueTests
{
    private const string AboveZero = "Write a number above 0.";
    private const string BelowOne = "Write a number from 0 to below 1.";

    [Theory]
    [InlineData("seed: -1", "seed: '-1' is not possible. Write a whole number from 0 to 18446744073709551615.")]
    [InlineData("seed: 1.5", "seed: '1.5' is not possible. Write a whole number from 0 to 18446744073709551615.")]
    [InlineData("name: a/b", "name: 'a/b' cannot name a folder. Write at most 100 letters, digits, - and _.")]
    [InlineData("name: ''", "name: '' cannot name a folder. Write at most 100 letters, digits, - and _.")]
    [InlineData("name: ..", "name: '..' cannot name a folder. Write at most 100 letters, digits, - and _.")]
    [InlineData("name: [ a ]", "name: a list is not possible. Write a single text.")]
    [InlineData("loss: zero-one", "loss: zero-one has a gradient of zero everywhere, so nothing can be trained with it. Write cross-entropy; the accuracy is reported anyway.")]
    [InlineData("loss: [ huber ]", "loss: a list is unknown. Possible are cross-entropy, mean-squared-error, perceptron, multiclass-perceptron, hinge, multiclass-hinge, logistic, binary-cross-entropy, kl-divergence, mean-absolute-error, huber.")]
    [InlineData("optimizer: adam", "optimizer: 'adam' is not a section. Write keys under it, such as optimizer: { kind: adam }.")]
    [InlineData("optimizer: { learning-rate: 0 }", "optimizer.learning-rate: '0' is not possible. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: -1.0e-3 }", "optimizer.learning-rate: '-1.0e-3' is not possible. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: small }", "optimizer.learning-rate: 'small' is not a number. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: .nan }", "optimizer.learning-rate: '.nan' is not a number. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: Infinity }", "optimizer.learning-rate: 'Infinity' is not a number. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: 1e-60 }", "optimizer.learning-rate: '1e-60' is 0 in single precision, which is not possible. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: 1e60 }", "optimizer.learning-rate: '1e60' is Infinity in single precision, which is not possible. " + AboveZero)]
    [InlineData("optimizer: { learning-rate: '0.1' }", "optimizer.learning-rate: '0.1' between quotes is a text. Write it without them.")]
    [InlineData("optimizer: { learning-rate: [ 0.1 ] }", "optimizer.learning-rate: a list is not a number. " + AboveZero)]
    [InlineData("optimizer: { weight-decay: -0.1 }", "optimizer.weight-decay: '-0.1' is not possible. Write a number, 0 or more.")]
    [InlineData("optimizer: { l1-zeros: true }", "optimizer.l1-zeros: without l1 there is nothing that makes weights 0. Write l1: 0.001 beside it, or remove it.")]
    [InlineData("optimizer: { l1: 0, l1-zeros: true }", "optimizer.l1-zeros: without l1 there is nothing that makes weights 0. Write l1: 0.001 beside it, or remove it.")]
    [InlineData("optimizer: { l1: -1, l1-zeros: true }", "optimizer.l1: '-1' is not possible. Write a number, 0 or more.")]
    [InlineData("optimizer: { decay-biases: yes }", "optimizer.decay-biases: 'yes' is neither true nor false. Write one of them.")]
    [InlineData("optimizer: { decay-biases: 'true' }", "optimizer.decay-biases: 'true' between quotes is a text. Write it without them.")]
    [InlineData("optimizer: { kind: momentum, momentum: 1 }", "optimizer.momentum: '1' is not possible. " + BelowOne)]
    [InlineData("optimizer: { kind: sgd, momentum: 0.9 }", "optimizer.momentum: sgd has no momentum; momentum, nesterov have. Remove it.")]
    [InlineData("optimizer: { kind: momentum, epsilon: 1.0e-8 }", "optimizer.epsilon: momentum has no epsilon; rmsprop, adagrad, adam, adamw have. Remove it.")]
    [InlineData("optimizer: { beta1: -0.1 }", "optimizer.beta1: '-0.1' is not possible. " + BelowOne)]
    [InlineData("optimizer: { beta2: 0.999999999 }", "optimizer.beta2: '0.999999999' is 1 in single precision, which is not possible. " + BelowOne)]
    [InlineData("training: { epochs: 0 }", "training.epochs: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { epochs: 1.5 }", "training.epochs: '1.5' is not a whole number. Write a whole number, 1 or more.")]
    [InlineData("training: { epochs: 1e3 }", "training.epochs: '1e3' is not a whole number. Write a whole number, 1 or more.")]
    [InlineData("training: { epochs: 3000000000 }", "training.epochs: '3000000000' is not possible. Write a whole number from 1 to 2147483647.")]
    [InlineData("training: { steps: -5 }", "training.steps: '-5' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { epochs: 5, steps: 5 }", "training.steps: epochs and steps are both given. Write one of them.")]
    [InlineData("training: { batch-size: 0 }", "training.batch-size: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { shards: 0 }", "training.shards: '0' is not possible. Write a whole number from 1 to 65536.")]
    [InlineData("training: { shards: 8, batch-size: 4 }", "training.shards: 8 shards are more than the 4 rows of a batch: some leaves would always be empty. Use at most batch-size shards.")]
    [InlineData("training: { batch-size: 2 }", "training.batch-size: 4 shards are more than the 2 rows of a batch: some leaves would always be empty. Use at most batch-size shards.")]
    [InlineData("training: { last-batch: skip }", "training.last-batch: 'skip' is unknown. Possible are keep, drop.")]
    [InlineData("training: { non-finite: drop }", "training.non-finite: 'drop' is unknown. Possible are stop, skip.")]
    [InlineData("training: { mode: synch }", "training.mode: 'synch' is unknown. Did you mean sync?")]
    [InlineData("training: { compression: int4 }", "training.compression: 'int4' is unknown. Did you mean int8?")]
    [InlineData("training: { compression: top-k }", "training.compression: top-k needs the share of the elements that are sent. Write compression: { top-k: 0.01 }.")]
    [InlineData("training: { compression: { top-k: 0 } }", "training.compression.top-k: '0' is not possible. Write a number above 0 and below 1, such as 0.01.")]
    [InlineData("training: { compression: { top-k: 1 } }", "training.compression.top-k: '1' is not possible. Write a number above 0 and below 1, such as 0.01.")]
    [InlineData("training: { compression: { int8: 0.5 } }", "training.compression: int8 takes no share. Write compression: int8.")]
    [InlineData("training: { compression: { top-l: 0.5 } }", "training.compression: 'top-l' is unknown. Did you mean top-k?")]
    [InlineData("training: { local-steps: 0 }", "training.local-steps: '0' is not possible. Write a whole number from 1 to 10000.")]
    [InlineData("training: { mode: stale, local-steps: 4 }", "training.local-steps: shards that are averaged wait for each other, which stale does not. Write mode: sync, or local-steps: 1.")]
    [InlineData("training: { compression: int8, local-steps: 4 }", "training.local-steps: compression is made for gradients; averages of parameters and of the optimizer's state would not bear it. Write compression: none, or local-steps: 1.")]
    [InlineData("training: { mode: async, compression: int8 }", "training.compression: it is made for mode: sync; with async it is not built. Write mode: sync, or compression: none.")]
    [InlineData("training: { mode: stale, compression: { top-k: 0.1 } }", "training.compression: it is made for mode: sync; with stale it is not built. Write mode: sync, or compression: none.")]
    [InlineData("training: 5", "training: '5' is not a section. Write keys under it, such as training: { epochs: 20 }.")]
    [InlineData("cluster: { workers: 0 }", "cluster.workers: '0' is not possible. Write a whole number from 1 to 1024.")]
    [InlineData("cluster: { workers: 2000 }", "cluster.workers: '2000' is not possible. Write a whole number from 1 to 1024.")]
    [InlineData("cluster: { minimum-workers: 3 }", "cluster.minimum-workers: 3 is more than cluster.workers, 2: training would never begin. Write at most as many, or more workers.")]
    [InlineData("cluster: { servers: 3 }", "cluster.servers: 3 servers are more than cluster.partitions, 2: some would have nothing to do. Use at least as many partitions as servers.")]
    [InlineData("cluster: { max-restarts: -1 }", "cluster.max-restarts: '-1' is not possible. Write a whole number from 0 to 1000000.")]
    [InlineData("cluster: { transport: udp }", "cluster.transport: 'udp' is unknown. Possible are auto, in-process, shared-memory, unix, tcp.")]
    public void Values_of_a_run(string line, string expected)
    {
        Assert.Equal($"test.yaml:5: {expected}", Reads.Problem(line));
    }

    [Theory]
    [InlineData("{}", "1: data.source: is missing. Write the name of an embedded data set (digits, iris, wine, breast-cancer, diabetes) or the path of a .csv or .parquet file.")]
    [InlineData("{ source: '' }", "1: data.source: is missing. Write the name of an embedded data set (digits, iris, wine, breast-cancer, diabetes) or the path of a .csv or .parquet file.")]
    [InlineData("digits", "1: data: 'digits' is not a section. Write keys under it, such as data: { source: digits }.")]
    [InlineData("{ source: digits, task: classify }", "1: data.task: 'classify' is unknown. Possible are classification, regression.")]
    [InlineData("{ source: digits, target: [ a ] }", "1: data.target: a list is not possible. Write a single text.")]
    [InlineData("{ source: digits, training-share: 0 }", "1: data.training-share: '0' is not possible. Write a share above 0 and up to 1.")]
    [InlineData("{ source: digits, shuffle: 1 }", "1: data.shuffle: '1' is neither true nor false. Write one of them.")]
    [InlineData("{ source: digits, split: 0.2 }", "1: data.split: '0.2' is not a section. Write keys under it, such as split: { validation: 0.1, test: 0.2 }.")]
    [InlineData("{ source: digits, split: { test: 1 } }", "1: data.split.test: '1' is not possible. Write a share from 0 to below 1.")]
    [InlineData("{ source: digits, split: { test: 20% } }", "1: data.split.test: '20%' is not a number. Write a share from 0 to below 1.")]
    [InlineData("{ source: digits, split: { validation: 0.5, test: 0.5 } }", "1: data.split: validation 0.5 and test 0.5 leave no training rows. Together they must be below 1.")]
    [InlineData("{ source: digits, preprocess: standardize }", "1: data.preprocess: 'standardize' is not a list. Write preprocess: [ standardize ].")]
    [InlineData("{ source: digits, preprocess: [ scale ] }", "1: data.preprocess.0: scale needs a factor. Write scale: 0.0625.")]
    [InlineData("{ source: digits, preprocess: [ scale: 0 ] }", "1: data.preprocess.0: '0' is not possible. Write a factor other than 0.")]
    [InlineData("{ source: digits, preprocess: [ center: 2 ] }", "1: data.preprocess.0.center: center takes no value. Write center alone.")]
    [InlineData("{ source: digits, preprocess: [ normalise: 2 ] }", "1: data.preprocess.0: 'normalise' is unknown. Possible are center, standardize, min-max, scale, polynomial, one-hot.")]
    [InlineData("{ source: a.csv, separator: '--' }", "1: data.separator: '--' is not possible. Write one character between quotes, such as separator: ',', or tab.")]
    [InlineData("{ source: a.csv, quote: '' }", "1: data.quote: '' is not possible. Write one character between quotes, such as quote: \"'\", or tab.")]
    [InlineData("{ source: a.csv, missing: skip }", "1: data.missing: 'skip' is unknown. Possible are error, mean, drop.")]
    public void Values_of_data(string data, string expected)
    {
        Assert.Equal($"test.yaml:{expected}", Assert.Single(Reads.Problems($"data: {data}\nmodel: {{ layers: [ linear: 10 ] }}\n")));
    }

    [Theory]
    [InlineData("[]", "model.layers: the list is empty. Write the layers one below the other, each after a dash, such as - linear: 10.")]
    [InlineData("~", "model.layers: is missing. Write the layers one below the other, each after a dash, such as - linear: 10.")]
    [InlineData("{ linear: 10 }", "model.layers: a section is not a list. Write the layers one below the other, each after a dash, such as - linear: 10.")]
    [InlineData("[ linear: 10, relu ]", "model.layers: the last layer must be linear: its outputs are the scores that the loss reads. Write - linear: with the number of classes, or 1, at the end; cross-entropy holds the softmax already.")]
    [InlineData("[ linear ]", "model.layers.0.linear: the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.")]
    [InlineData("[ linear: { bias: false } ]", "model.layers.0.linear: the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.")]
    [InlineData("[ linear: 0 ]", "model.layers.0.linear: '0' is not possible. Write a whole number from 1 to 1000000.")]
    [InlineData("[ linear: 1000001 ]", "model.layers.0.linear: '1000001' is not possible. Write a whole number from 1 to 1000000.")]
    [InlineData("[ linear: 10.0 ]", "model.layers.0.linear: '10.0' is not a whole number. Write a whole number from 1 to 1000000.")]
    [InlineData("[ linear: { outputs: ten } ]", "model.layers.0.linear.outputs: 'ten' is not a whole number. Write a whole number from 1 to 1000000.")]
    [InlineData("[ linear: { outputs: 10, units: 3 } ]", "model.layers.0.linear.units: there is no such key. Did you mean outputs?")]
    [InlineData("[ dropout, linear: 10 ]", "model.layers.0.dropout: the rate is missing. Write dropout: 0.3.")]
    [InlineData("[ dropout: 1, linear: 10 ]", "model.layers.0.dropout: '1' is not possible. Write a rate from 0 to below 1.")]
    [InlineData("[ dropout: -0.1, linear: 10 ]", "model.layers.0.dropout: '-0.1' is not possible. Write a rate from 0 to below 1.")]
    [InlineData("[ dropout: 0.99999999, linear: 10 ]", "model.layers.0.dropout: '0.99999999' is 1 in single precision, which is not possible. Write a rate from 0 to below 1.")]
    [InlineData("[ batch-norm: 0.1, linear: 10 ]", "model.layers.0.batch-norm: '0.1' is not possible. batch-norm takes keys: write batch-norm: { momentum: 0.1, epsilon: 1.0e-5, sync: true }.")]
    [InlineData("[ batch-norm: { momentum: 2 }, linear: 10 ]", "model.layers.0.batch-norm.momentum: '2' is not possible. Write a number from 0 to 1.")]
    [InlineData("[ batch-norm: { epsilon: 0 }, linear: 10 ]", "model.layers.0.batch-norm.epsilon: '0' is not possible. Write a number above 0.")]
    [InlineData("[ relu: { slope: 0.1 }, linear: 10 ]", "model.layers.0.relu: relu takes no value. Write relu alone.")]
    [InlineData("[ ReLU, linear: 10 ]", "model.layers.0: there is no layer 'ReLU'. Did you mean relu?")]
    [InlineData("[ Dense: 3, linear: 10 ]", "model.layers.0: there is no layer 'Dense'. Did you mean linear?")]
    [InlineData("[ [ linear ], linear: 10 ]", "model.layers.0: a layer is a name, or one name with its values, such as - linear: 10.")]
    public void Values_of_layers(string layers, string expected)
    {
        Assert.Equal($"test.yaml:3: {expected}", Reads.LayerProblem(layers));
    }

    [Theory]
    [InlineData("he: 2", "weights: he takes no scale. Write weights: he.")]
    [InlineData("nrmal: 2", "weights: 'nrmal' is unknown. Did you mean normal?")]
    [InlineData("normal: 0", "weights: '0' is not possible. Write a number above 0, small or large.")]
    public void Initial_weights_with_a_scale(string weights, string expected)
    {
        var yaml = $"data: {{ source: digits }}\nmodel: {{ init: {{ weights: {{ {weights} }} }}, layers: [ linear: 10 ] }}\n";

        Assert.Equal($"test.yaml:2: model.init.{expected}", Assert.Single(Reads.Problems(yaml)));
    }

    [Theory]
    [InlineData("weights: normal", "weights: normal needs a scale. Write weights: { normal: 0.01 }.")]
    [InlineData("weights: xaver", "weights: 'xaver' is unknown. Did you mean xavier?")]
    [InlineData("bias: ones", "bias: 'ones' is not a number. Write zeros, or a number.")]
    public void Initial_weights(string init, string expected)
    {
        var yaml = $"data: {{ source: digits }}\nmodel: {{ init: {{ {init} }}, layers: [ linear: 10 ] }}\n";

        Assert.Equal($"test.yaml:2: model.init.{expected}", Assert.Single(Reads.Problems(yaml)));
    }

    [Theory]
    [InlineData("classification", "mean-squared-error", "cross-entropy")]
    [InlineData("regression", "cross-entropy", "mean-squared-error")]
    public void A_loss_that_does_not_fit_the_task(string task, string loss, string fitting)
    {
        Assert.Equal(
            [$"test.yaml:3: loss: {loss} does not fit data.task: {task}. Write {fitting}."],
            Reads.Problems($"data: {{ source: a.csv, task: {task} }}\nmodel: {{ layers: [ linear: 1 ] }}\nloss: {loss}\n"));
    }
}
