using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>What can be wrong with the larger forms of layers, losses, optimizers, schedules and data.</summary>
public sealed class LanguageProblemTests
{
    // Whatever other tests of this process use, its layer is among those that are possible.
    static LanguageProblemTests() => ExtensionRegistry.Use(typeof(OwnLayer).Assembly);

    [Theory]
    [InlineData("conv2d: 32", "model.layers.0.conv2d: '32' is not possible. conv2d takes keys: write conv2d: { outputs: 32, kernel: 3, padding: 1 }.")]
    [InlineData("conv2d", "model.layers.0.conv2d: outputs and kernel are needed. Write conv2d: { outputs: 32, kernel: 3, padding: 1 }.")]
    [InlineData("conv2d: { outputs: 32 }", "model.layers.0.conv2d: outputs and kernel are needed. Write conv2d: { outputs: 32, kernel: 3, padding: 1 }.")]
    [InlineData("conv2d: { outputs: 32, kernel: 0 }", "model.layers.0.conv2d.kernel: '0' is not possible. Write a whole number from 1 to 1000.")]
    [InlineData("conv2d: { outputs: 32, kernel: [3, 3] }", "model.layers.0.conv2d.kernel: a list is not a whole number. Write a whole number from 1 to 1000.")]
    [InlineData("conv2d: { filters: 32, outputs: 32, kernel: 3 }", "model.layers.0.conv2d.filters: there is no such key. Did you mean outputs?")]
    [InlineData("conv2d: { outputs: 32, kernel: 3, padding: -1 }", "model.layers.0.conv2d.padding: '-1' is not possible. Write a whole number from 0 to 1000.")]
    [InlineData("max-pool2d", "model.layers.0.max-pool2d: the size of the window is missing. Write max-pool2d: 2, or max-pool2d: { kernel: 3, stride: 2 }.")]
    [InlineData("avg-pool2d: { stride: 2 }", "model.layers.0.avg-pool2d: the size of the window is missing. Write avg-pool2d: 2, or avg-pool2d: { kernel: 3, stride: 2 }.")]
    [InlineData("flatten: 1", "model.layers.0.flatten: flatten takes no value. Write flatten alone.")]
    [InlineData("gelu: { approximate: true }", "model.layers.0.gelu: gelu takes no value. Write gelu alone.")]
    [InlineData("leaky-relu: 1", "model.layers.0.leaky-relu: '1' is not possible. Write a slope from 0 to below 1.")]
    [InlineData("leaky-relu: { alpha: 0.1 }", "model.layers.0.leaky-relu.alpha: there is no such key. Possible are slope.")]
    [InlineData("elu: { alpha: 0 }", "model.layers.0.elu.alpha: '0' is not possible. Write a number above 0.")]
    [InlineData("layer-norm: 0.1", "model.layers.0.layer-norm: '0.1' is not possible. layer-norm takes keys: write layer-norm: { epsilon: 1.0e-5 }.")]
    [InlineData("residual", "model.layers.0.residual.layers: is missing. Write the layers one below the other, each after a dash, such as - linear: 10.")]
    [InlineData("residual: []", "model.layers.0.residual: the list is empty. Write the layers one below the other, each after a dash, such as - linear: 10.")]
    [InlineData("residual: [ reul ]", "model.layers.0.residual.0: there is no layer 'reul'. Possible are linear, batch-norm, layer-norm, dropout, conv2d, max-pool2d, avg-pool2d, global-avg-pool2d, flatten, residual, relu, tanh, sigmoid, leaky-relu, elu, softplus, gelu, silu, softmax, log-softmax, own-layer.")]
    [InlineData("residual: { layers: [ relu ], shortcut: [ linear ] }", "model.layers.0.residual.shortcut.0.linear: the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.")]
    [InlineData("residual: { layers: [ relu ], short-cut: [ relu ] }", "model.layers.0.residual.short-cut: there is no such key. Did you mean shortcut?")]
    public void Layers(string layer, string expected)
    {
        Assert.Equal($"test.yaml:3: {expected}", Reads.LayerProblem($"[ {layer}, linear: 10 ]"));
    }

    [Theory]
    [InlineData("loss: { cross-entropy: { label-smoothing: 1 } }", "loss.cross-entropy.label-smoothing: '1' is not possible. Write a share from 0 to below 1.")]
    [InlineData("loss: { cross-entropy: 0.1 }", "loss.cross-entropy: '0.1' is not a section. Write the values with their names, such as loss: { cross-entropy: { label-smoothing: 0.1 } }.")]
    [InlineData("loss: { hinge: { delta: 1 } }", "loss.hinge.delta: hinge has no delta; huber has. Remove it.")]
    [InlineData("loss: { kind: huber, class-weights: balanced }", "loss.class-weights: huber compares with numbers, which have no classes. Remove it.")]
    [InlineData("loss: { kind: hinge, class-weights: even }", "loss.class-weights: 'even' is not possible. Write balanced, or a weight for each class, such as class-weights: { yes: 10, no: 1 }.")]
    [InlineData("loss: { kind: hinge, class-weights: { a: 0 } }", "loss.class-weights.a: '0' is not possible. Write a weight above 0.")]
    [InlineData("loss: { kind: huber, delta: 0 }", "loss.delta: '0' is not possible. Write a number above 0.")]
    [InlineData("loss: { kind: huber, beta: 1 }", "loss.beta: there is no such key. Possible are kind, delta.")]
    [InlineData("loss: { delta: 1 }", "loss.kind: is missing. Write the loss's name, such as loss: { kind: cross-entropy, label-smoothing: 0.1 }.")]
    [InlineData("loss: { zero-one: {} }", "loss: zero-one has a gradient of zero everywhere, so nothing can be trained with it. Write cross-entropy; the accuracy is reported anyway.")]
    [InlineData("loss: { crosentropy: { label-smoothing: 0.1 } }", "loss: 'crosentropy' is unknown. Did you mean cross-entropy?")]
    [InlineData("optimizer: { kind: nestrov, momentum: 0.9 }", "optimizer.kind: 'nestrov' is unknown. Did you mean nesterov?")]
    [InlineData("optimizer: { kind: rmsprop, beta1: 0.9 }", "optimizer.beta1: rmsprop has no beta1; adam, adamw have. Remove it.")]
    [InlineData("optimizer: { kind: adagrad, decay: 0.9 }", "optimizer.decay: adagrad has no decay; rmsprop has. Remove it.")]
    [InlineData("optimizer: { clip-norm: 0 }", "optimizer.clip-norm: '0' is not possible. Write a number above 0, or null for no limit.")]
    [InlineData("optimizer: { clip-value: none }", "optimizer.clip-value: 'none' is not a number. Write a number above 0, or null for no limit.")]
    [InlineData("optimizer: { l1: -1 }", "optimizer.l1: '-1' is not possible. Write a number, 0 or more.")]
    [InlineData("optimizer: { schedule: cosin }", "optimizer.schedule: 'cosin' is unknown. Did you mean cosine?")]
    [InlineData("optimizer: { schedule: [ step ] }", "optimizer.schedule: a list is not a section. Write keys under it, such as schedule: { kind: cosine }.")]
    [InlineData("optimizer: { schedule: { kind: cosin, steps: 5, every: 4 } }", "optimizer.schedule.kind: 'cosin' is unknown. Did you mean cosine?")]
    [InlineData("optimizer: { schedule: { steps: 5 } }", "optimizer.schedule.steps: constant has no steps; cosine, warmup-cosine, range-test have. Remove it.")]
    [InlineData("optimizer: { schedule: { kind: step, warmup: 5 } }", "optimizer.schedule.warmup: step has no warmup; warmup-cosine has. Remove it.")]
    [InlineData("optimizer: { schedule: { kind: step, factor: 1 } }", "optimizer.schedule.factor: '1' is not possible. Write a number above 0 and below 1.")]
    [InlineData("optimizer: { schedule: { kind: step, every: 0 } }", "optimizer.schedule.every: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("optimizer: { schedule: { kind: cosine, minimum: 0.01 } }", "optimizer.schedule.minimum: '0.01' is not possible. Write a number from 0 to the learning rate, 0.001.")]
    [InlineData("optimizer: { schedule: { kind: warmup-cosine, steps: 50 } }", "optimizer.schedule.warmup: 100 steps of warmup leave nothing of 50 steps. Write fewer, or more steps.")]
    [InlineData("optimizer: { schedule: { kind: reduce-on-plateau, threshold: 1 } }", "optimizer.schedule.threshold: '1' is not possible. Write a number from 0 to below 1.")]
    [InlineData("training: { accumulate: 0 }", "training.accumulate: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { pause-after: 0 }", "training.pause-after: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { epochs: 5, pause-after: 5 }", "training.pause-after: after 5 epochs the run is over: training.epochs is 5. Write less, or remove it.")]
    [InlineData("training: { mode: async, pause-after: 5 }", "training.pause-after: workers in mode async are never at the same step, at which they could pause. Write mode: sync, or remove it.")]
    [InlineData("training: { early-stopping: true }", "training.early-stopping: 'true' is not a section. Write keys under it, such as early-stopping: { patience: 5 }.")]
    [InlineData("training: { early-stopping: { patience: 0 } }", "training.early-stopping.patience: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("training: { early-stopping: { metric: accuracy } }", "training.early-stopping.metric: 'accuracy' is unknown. Possible are validation-loss, validation-accuracy.")]
    [InlineData("loss: mean-squared-error\ntraining: { early-stopping: { metric: validation-accuracy } }", "training.early-stopping.metric: mean-squared-error compares numbers, which have no accuracy. Write validation-loss.", 6)]
    public void Run(string lines, string expected, int line = 5)
    {
        Assert.Equal($"test.yaml:{line}: {expected}", Reads.Problem(lines));
    }

    [Theory]
    [InlineData("folds: 1", "folds: '1' is not possible. Write a whole number from 2 to 1000.")]
    [InlineData("folds: 5, validation-source: v.csv", "folds: folds take the validation rows from the training rows, but validation-source has them already. Remove one of the two.")]
    [InlineData("folds: 5, split: { validation: 0.1 }", "split.validation: data.folds gives the validation rows already. Write 0, or remove one of the two.")]
    [InlineData("test-source: t.csv, split: { test: 0.2 }", "split.test: data.test-source gives the test rows already. Write 0, or remove one of the two.")]
    [InlineData("validation-source: ''", "validation-source: '' names no data. Write the path of a .csv file, or remove it.")]
    [InlineData("image: 8", "image: '8' is not possible. Write channels, height and width, such as image: [1, 8, 8].")]
    [InlineData("image: [8, 8]", "image: a list is not possible. Write channels, height and width, such as image: [1, 8, 8].")]
    [InlineData("image: [1, 8, 0]", "image.2: '0' is not possible. Write a whole number from 1 to 65536.")]
    [InlineData("image: [3, 60000, 60000]", "image: 3 x 60000 x 60000 values are too many for one row. Write smaller numbers.")]
    [InlineData("preprocess: [ polynomial ]", "preprocess.0: polynomial needs the highest power. Write polynomial: 3.")]
    [InlineData("preprocess: [ polynomial: 0 ]", "preprocess.0: '0' is not possible. Write a whole number from 1 to 30.")]
    [InlineData("preprocess: [ one-hot: colour ]", "preprocess.0: 'colour' is not possible. Write the names of columns in a list, such as one-hot: [ colour ].")]
    [InlineData("preprocess: [ one-hot: [ a, a ] ]", "preprocess.0: 'a' is there twice. Write each column once.")]
    [InlineData("augment: flip", "augment: 'flip' is not a list. Write augment: [ shift: 1 ].")]
    [InlineData("augment: [ flip: 0.5 ]", "augment.0.flip: flip takes no value. Write flip alone.")]
    [InlineData("augment: [ shift ]", "augment.0: shift needs a number of pixels. Write shift: 1.")]
    [InlineData("augment: [ shift: 0.5 ]", "augment.0: '0.5' is not a whole number. Write a whole number from 1 to 1000.")]
    [InlineData("augment: [ rotate: 360 ]", "augment.0: '360' is not possible. Write degrees above 0, up to 180.")]
    [InlineData("augment: [ noise: 0 ]", "augment.0: '0' is not possible. Write a number above 0.")]
    [InlineData("augment: [ scale-jitter: 1 ]", "augment.0: '1' is not possible. Write a share above 0 and below 1.")]
    [InlineData("augment: [ crop: 1 ]", "augment.0: 'crop' is unknown. Possible are shift, flip, rotate, noise, scale-jitter.")]
    public void Data(string data, string expected)
    {
        Assert.Equal($"test.yaml:1: data.{expected}", Assert.Single(Reads.Problems($"data: {{ source: digits, {data} }}\nmodel: {{ layers: [ linear: 10 ] }}\n")));
    }

    [Theory]
    [InlineData("split: none")]
    [InlineData("split: { validation: 0 }")]
    [InlineData("test-source: t.csv")]
    public void Early_stopping_needs_validation_rows(string data)
    {
        Assert.Equal(
            ["test.yaml:3: training.early-stopping: there are no validation rows to watch. Write data.split: { validation: 0.1 }, or data.validation-source."],
            Reads.Problems($"data: {{ source: digits, {data} }}\nmodel: {{ layers: [ linear: 10 ] }}\ntraining: {{ early-stopping: {{ patience: 5 }} }}\n"));
    }

    [Fact]
    public void Starting_weights_need_a_path()
    {
        Assert.Equal(
            ["test.yaml:2: model.from: '' names no file. Write the path of a .safetensors file, or remove it."],
            Reads.Problems("data: { source: digits }\nmodel: { from: '', layers: [ linear: 10 ] }\n"));
    }
}
