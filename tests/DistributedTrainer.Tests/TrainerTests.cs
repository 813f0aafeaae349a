using DistributedTrainer.Data;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Tests;

public sealed class TrainerTests : IDisposable
{
    /// <summary>What <c>dtrain train --set training.epochs=2</c> prints for the embedded digits, with processes as with threads.</summary>
    private const string TwoEpochsOfDigits = "e0ad6c0c1bf07e72601417739149bd117e7fb924ff02054b4db3e39c6169fe75";

    private const int Columns = 3;

    private readonly string _folder = Directory.CreateTempSubdirectory("trainer").FullName;

    static TrainerTests() => ExtensionRegistry.Use(typeof(TestGate).Assembly);

    public void Dispose()
    {
        TestPace.IsSlow = false;
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_trainer_comes_to_the_bits_of_the_command_line_and_tells_of_each_step_and_evaluation_once()
    {
        var trainer = new Trainer(Trainer.FromYaml(DefaultExperiment.Yaml, "training.epochs=2", "cluster.workers=3").Experiment) { RunDirectory = In("digits") };
        var (steps, evaluations, folders) = (new List<StepCompleted>(), new List<EvaluationCompleted>(), new List<string>());
        trainer.StepCompleted += (_, e) => steps.Add(e);
        trainer.EvaluationCompleted += (_, e) => evaluations.Add(e);
        trainer.Started += (_, e) => folders.Add(e.RunDirectory);
        var result = await trainer.RunAsync();
        Assert.Equal(TwoEpochsOfDigits, result.ParametersSha256);
        Assert.Equal(Enumerable.Range(1, 40).Select(static step => (long)step), steps.Select(static step => step.Step));
        Assert.All(steps, static step => Assert.True(step is { Steps: 40, Loss: > 0 and < 4, LearningRate: 0.002 }));
        Assert.Equal([(20L, 1.0, false), (40L, 2.0, true)], evaluations.Select(static e => (e.Step, e.Epoch, e.TestAccuracy is not null)));
        Assert.Equal((result.ValidationAccuracy, result.TestLoss), (evaluations[1].ValidationAccuracy, evaluations[1].TestLoss));
        Assert.Equal([In("digits")], folders);
        Assert.Equal((40L, 0, In("digits")), (result.Steps, result.Recoveries, result.RunDirectory));
    }

    [Fact]
    public async Task Own_layers_and_losses_and_rows_in_memory_come_to_the_same_bits_from_YAML_and_from_CSharp_with_any_number_of_workers()
    {
        var (features, targets) = Rows(200);
        var data = MemoryData.OfValues("rows", Columns, features, targets);
        var built = new Experiment
        {
            Data = new DataOptions { Source = data.Name, Preprocess = [new PreprocessOptions(PreprocessKind.Standardize)] },
            Model = new ModelOptions { Layers = [new LinearOptions(8), new TestGate(1.5f, TestStart.OneHalf), new LinearOptions(1)] },
            Loss = new TestQuantile(0.75),
            Training = new TrainingOptions { Epochs = 4, BatchSize = 32, Shards = 4 },
            Cluster = new ClusterOptions { Workers = 1 },
        };
        var one = await new Trainer(built) { Data = data, RunDirectory = In("one") }.RunAsync();
        var read = Trainer.FromYaml(
            """
            data: { source: rows, preprocess: [ standardize ] }
            model: { layers: [ linear: 8, test-gate: { beta: 1.5, start: one-half }, linear: 1 ] }
            loss: { test-quantile: { tau: 0.75 } }
            training: { epochs: 4, batch-size: 32, shards: 4 }
            cluster: { workers: 3 }
            """).Experiment;
        var three = await new Trainer(read) { Data = data, RunDirectory = In("three") }.RunAsync();
        Assert.Equal(one.ParametersSha256, three.ParametersSha256);

        // Read again, it says of raw rows what the network says of preprocessed ones.
        var model = TrainedModel.Load(three.RunDirectory);
        Assert.Equal(new TestGate(1.5f, TestStart.OneHalf), model.Network.Definition.Layers[1]);
        Assert.Equal(new TestQuantile(0.75), model.Experiment.Loss!.Custom);
        Assert.Equal(one.Model.Predict(features[..30]), model.Predict(features[..30]));
        Assert.Throws<InvalidOperationException>(() => model.PredictClasses(features[..3]));
        Assert.Throws<ArgumentException>(() => model.Predict(features[..4]));
    }

    [Fact]
    public async Task A_cancelled_run_writes_a_checkpoint_and_goes_on_from_it_to_the_bits_of_one_that_was_not()
    {
        var (features, targets) = Rows(64);
        var data = MemoryData.OfValues("rows", Columns, features, targets);
        Trainer Create(string folder) => new(Trainer.FromYaml(
            """
            data: { source: rows, split: none }
            model: { layers: [ linear: 4, test-gate, linear: 1 ] }
            training: { steps: 600, batch-size: 16, shards: 2 }
            checkpoint: { every-seconds: null }
            """).Experiment)
        { Data = data, RunDirectory = In(folder) };
        var whole = await Create("whole").RunAsync();

        using var cancel = new CancellationTokenSource();
        var trainer = Create("cut");
        trainer.StepCompleted += (_, _) => cancel.Cancel();
        TestPace.IsSlow = true;
        var canceled = await Assert.ThrowsAsync<TrainingCanceledException>(() => trainer.RunAsync(cancel.Token));
        TestPace.IsSlow = false;
        Assert.Equal((In("cut"), cancel.Token), (canceled.RunDirectory, canceled.CancellationToken));

        // A checkpoint says with which extensions it was made.
        var manifest = Assert.Single(Directory.GetFiles(In("cut"), "manifest.json", SearchOption.AllDirectories));
        Assert.Contains($"DistributedTrainer.Tests {ExtensionRegistry.KindOf(typeof(TestGate)).Extension.Sha256}", await File.ReadAllTextAsync(manifest), StringComparison.Ordinal);

        var (steps, notices) = (new List<long>(), new List<string>());
        var going = Trainer.Resume(In("cut"), data, "cluster.workers=1");
        going.StepCompleted += (_, e) => steps.Add(e.Step);
        going.Noticed += (_, e) => notices.Add(e.Text);
        Assert.Equal(whole.ParametersSha256, (await going.RunAsync()).ParametersSha256);
        Assert.DoesNotContain(notices, static notice => notice.StartsWith("Warning:", StringComparison.Ordinal));
        Assert.InRange(steps[0], 2, 600);
        Assert.Equal(Enumerable.Range((int)steps[0], 601 - (int)steps[0]).Select(static step => (long)step), steps);
    }

    [Fact]
    public async Task All_that_is_wrong_is_said_at_once_and_nothing_is_begun()
    {
        var read = Assert.Throws<InvalidExperimentException>(() => Trainer.FromYaml("data: { source: digits }\nmodel: { layers: [ test-gat, test-gate: { beta: x, bet: 1 }, linear: 10 ] }\nloss: test-quantil"));
        Assert.Equal(
            [
                "experiment.yaml:2: model.layers.0: there is no layer 'test-gat'. Did you mean test-gate?",
                "experiment.yaml:2: model.layers.1.test-gate.beta: 'x' is not a number. Write a number.",
                "experiment.yaml:3: loss: 'test-quantil' is unknown. Did you mean test-quantile?",
            ],
            read.Problems);
        var trainer = new Trainer(Trainer.FromYaml("data: { source: digits }\nmodel: { layers: [ test-gate: -1, linear: 9 ] }".Replace("-1", "{ beta: -1 }", StringComparison.Ordinal)).Experiment) { RunDirectory = In("none") };
        var built = await Assert.ThrowsAsync<InvalidExperimentException>(() => trainer.RunAsync());
        Assert.Contains(built.Problems, static problem => problem.Contains("digit has 10 classes", StringComparison.Ordinal));
        Assert.False(Directory.Exists(In("none")));
        await Assert.ThrowsAsync<OperationCanceledException>(() => trainer.RunAsync(new CancellationToken(canceled: true)));
    }

    [Fact]
    public void The_gradients_of_own_layers_can_be_checked_and_networks_with_them_saved()
    {
        // First, where nobody needs the input's gradient; and last, behind a linear layer.
        var network = Network.Create(Columns, 1, new TestGate(2), new LinearDefinition(4), new TestGate(Start: TestStart.OneHalf), new LinearDefinition(1));
        var (features, targets) = Rows(20);
        Assert.True(GradientCheck.Run(network, new Examples(features, targets)).Passed);
        network.Fit(features, targets, new FitOptions { Epochs = 2, Loss = new TestQuantile(0.25) });
        network.Save(In("network.safetensors"));
        var loaded = Network.Load(In("network.safetensors"));
        Assert.Equal(network.Definition.Layers, loaded.Definition.Layers);
        Assert.Equal(new TestQuantile(0.25), loaded.Loss);
        Assert.Equal(network.Predict(features), loaded.Predict(features));
    }

    [Fact]
    public void Data_in_memory_is_checked()
    {
        Assert.Contains("are not 2 rows of 3 columns", Assert.Throws<ArgumentException>(() => MemoryData.OfValues("rows", 3, new float[5], new float[2])).Message, StringComparison.Ordinal);
        Assert.Contains("the feature 1 of row 1 is not finite", Assert.Throws<ArgumentException>(() => MemoryData.OfClasses("rows", 2, [1, 2, 3, float.NaN], [0, 1])).Message, StringComparison.Ordinal);
        Assert.Contains("the label of row 1 is 2", Assert.Throws<ArgumentException>(() => MemoryData.OfClasses("rows", 1, [1, 2], [0, 2], ["no", "yes"])).Message, StringComparison.Ordinal);
        Assert.Equal(["0", "1", "2"], MemoryData.OfClasses("rows", 1, [1, 2], [0, 2]).ClassNames);
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static (float[] Features, float[] Targets) Rows(int rows)
    {
        var features = Enumerable.Range(0, rows * Columns).Select(static i => (float)Math.Sin(1.7 * i)).ToArray();
        return (features, [.. Enumerable.Range(0, rows).Select(row => features[row * Columns] * features[(row * Columns) + 1])]);
    }
}
