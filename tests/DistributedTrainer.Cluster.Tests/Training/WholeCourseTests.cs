using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Everything that an experiment can name trains on a cluster to the bits of one thread.</summary>
public sealed class WholeCourseTests
{
    private static readonly TestExperiment Small = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 64", "tanh", "linear: 3"],
        Training = "{ steps: 9, batch-size: 37, shards: 5 }",
        Partitions = 2,
    };

    [Theory]
    [InlineData("{ kind: sgd, learning-rate: 0.1, weight-decay: 0.01, decay-biases: true }")]
    [InlineData("{ kind: momentum, learning-rate: 0.05, l1: 0.01, l1-zeros: true }")]
    [InlineData("{ kind: adamw, learning-rate: 0.01, weight-decay: 0.1, l1: 0.01, l1-zeros: true, decay-biases: true }")]
    [InlineData("{ kind: momentum, learning-rate: 0.05, l1: 0.001, schedule: { kind: step, every: 3, factor: 0.5 } }")]
    [InlineData("{ kind: nesterov, learning-rate: 0.05, clip-value: 0.01, schedule: { kind: exponential, factor: 0.9 } }")]
    [InlineData("{ kind: rmsprop, learning-rate: 0.01, schedule: { kind: inverse-time, decay: 0.1 } }")]
    [InlineData("{ kind: adagrad, learning-rate: 0.01, schedule: cosine }")]
    [InlineData("{ kind: adam, learning-rate: 0.01, schedule: { kind: cosine, steps: 5, minimum: 0.001 } }")]
    [InlineData("{ kind: adamw, learning-rate: 0.01, weight-decay: 0.1, schedule: { kind: warmup-cosine, warmup: 3 } }")]
    public void Optimizers_and_schedules(string optimizer) => AssertSameBits(Small with { Optimizer = optimizer });

    [Theory]
    [InlineData("leaky-relu: 0.2")]
    [InlineData("elu: 0.5")]
    [InlineData("softplus")]
    [InlineData("gelu")]
    [InlineData("silu")]
    [InlineData("softmax")]
    [InlineData("log-softmax")]
    [InlineData("layer-norm")]
    [InlineData("residual: [ linear: 64, batch-norm, relu ]")]
    public void Layers(string layer) => AssertSameBits(Small with { Layers = ["linear: 64", layer, "linear: 70", "sigmoid", "linear: 3"] });

    [Theory]
    [InlineData("iris", "cross-entropy: { label-smoothing: 0.1 }", 3)]
    [InlineData("iris", "multiclass-perceptron", 3)]
    [InlineData("iris", "multiclass-hinge", 3)]
    [InlineData("iris", "kl-divergence", 3)]
    [InlineData("breast-cancer", "perceptron", 1)]
    [InlineData("breast-cancer", "hinge", 1)]
    [InlineData("breast-cancer", "logistic", 1)]
    [InlineData("breast-cancer", "binary-cross-entropy", 1)]
    [InlineData("diabetes", "mean-absolute-error", 1)]
    [InlineData("diabetes", "huber: { delta: 10 }", 1)]
    public void Losses(string source, string loss, int outputs) =>
        AssertSameBits(Small with { Source = source, Loss = loss.Contains(": ", StringComparison.Ordinal) ? $"{"{"} {loss} {"}"}" : loss, Layers = ["linear: 64", "relu", "linear: 64", "relu", $"linear: {outputs}"] });

    [Fact]
    public void Images_with_convolution_pooling_image_batch_norm_and_augmentation() => AssertSameBits(new TestExperiment
    {
        Source = "digits",
        Preprocess = "[ scale: 0.0625 ]",
        Data = ", image: [1, 8, 8], augment: [ shift: 1, rotate: 10, scale-jitter: 0.1, flip, noise: 0.02 ]",
        Layers =
        [
            "conv2d: { outputs: 8, kernel: 3, padding: 1, bias: false }", "batch-norm", "relu", "max-pool2d: 2",
            "residual: { layers: [ conv2d: { outputs: 16, kernel: 3, padding: 1, stride: 2 }, batch-norm: { sync: false } ], shortcut: [ conv2d: { outputs: 16, kernel: 1, stride: 2 } ] }",
            "relu", "avg-pool2d: { kernel: 2, stride: 1 }", "flatten", "dropout: 0.1", "linear: 10",
        ],
        Training = "{ steps: 4, batch-size: 30, shards: 4 }",
        Partitions = 2,
    });

    [Fact]
    public void Polynomials_and_one_hot_columns()
    {
        using var folder = new TemporaryFolder();
        folder.Write("data.csv", "size,colour,kind\n" + string.Concat(Enumerable.Range(0, 40).Select(static i => $"{i % 7},{(i % 3 == 0 ? "red" : "blue")},{(i % 2 == 0 ? "a" : "b")}\n")));
        AssertSameBits(
            Small with { Source = "data.csv", Preprocess = "[ standardize, polynomial: 3, one-hot: [ colour ] ]", Layers = ["linear: 2"], Training = "{ steps: 4, batch-size: 16, shards: 3 }", Partitions = 1 },
            folder.Path);
    }

    [Fact]
    public void Starting_weights_from_a_file_are_the_ones_that_were_saved()
    {
        using var folder = new TemporaryFolder();
        var first = Small.Plan();
        var trained = ReferenceTrainer.Train(first);
        using (var file = File.Create(Path.Combine(folder.Path, "start.safetensors")))
        {
            SafeTensors.Write(
                file,
                [
                    .. first.Model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, trained.Parameters.AsMemory(slot.Offset, slot.Shape.Elements))),
                    .. first.Model.Buffers.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, trained.Buffers.AsMemory(slot.Offset, slot.Shape.Elements))),
                ],
                new Dictionary<string, string>());
        }

        var from = Small with { Model = "from: start.safetensors" };
        var plan = from.Plan(folder.Path);
        var (parameters, buffers) = (new float[trained.Parameters.Length], new float[trained.Buffers.Length]);
        plan.Initialize(parameters, buffers);
        Assert.Equal(trained.Parameters, parameters);
        Assert.Equal(trained.Buffers, buffers);
        Assert.NotEqual(first.InputsSha256, plan.InputsSha256);
        AssertSameBits(from, folder.Path);
    }

    [Fact]
    public void Starting_weights_that_do_not_fit_are_named()
    {
        using var folder = new TemporaryFolder();
        using (var file = File.Create(Path.Combine(folder.Path, "start.safetensors")))
        {
            SafeTensors.Write(file, [new NamedTensor("0.weight", new(2, 4), new float[8]), new NamedTensor("9.bias", new(1), new float[1])], new Dictionary<string, string>());
        }

        var problems = new List<string>();
        Assert.Null((Small with { Model = "from: start.safetensors", Layers = ["linear: 3"] }).TryPlan(problems, folder.Path));
        Assert.Equal(3, problems.Count);
        Assert.Contains(problems, static problem => problem.Contains("0.weight is 2x4", StringComparison.Ordinal) && problem.Contains("3x4", StringComparison.Ordinal));
        Assert.Contains(problems, static problem => problem.Contains("no 0.bias", StringComparison.Ordinal));
        Assert.Contains(problems, static problem => problem.Contains("9.bias", StringComparison.Ordinal));

        problems.Clear();
        Assert.Null((Small with { Model = "from: nothing.safetensors" }).TryPlan(problems, folder.Path));
        Assert.Contains("nothing.safetensors", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_of_the_experiment_all_stand_for_something()
    {
        foreach (var kind in Enum.GetValues<WeightKind>())
        {
            EngineParts.WeightsOf(new WeightOptions(kind, 0.1));
        }

        foreach (var kind in Enum.GetValues<ActivationKind>())
        {
            EngineParts.LayerOf(new ActivationOptions(kind, 0.1));
        }

        foreach (var kind in Enum.GetValues<OptimizerKind>())
        {
            EngineParts.OptimizerOf(new OptimizerOptions { Kind = kind });
        }
    }

    private static void AssertSameBits(TestExperiment experiment, string baseDirectory = "")
    {
        var reference = ReferenceTrainer.Train(experiment.Plan(baseDirectory));
        Assert.All(reference.Parameters, static value => Assert.True(float.IsFinite(value)));
        foreach (var workers in (int[])[1, 3])
        {
            using var cluster = new MiniCluster(experiment.Plan(baseDirectory), servers: 1).With(workers);
            Assert.Equal(reference.Bits, cluster.Run().Bits);
        }
    }
}
