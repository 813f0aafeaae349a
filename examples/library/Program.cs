using DistributedTrainer;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;
using DistributedTrainer.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// `dotnet run -- host` trains in a host, `dotnet run` the rest. Runs go into the folder `runs`.
var experimentFile = Path.Combine(AppContext.BaseDirectory, "own.yaml");
if (args is ["host"])
{
    var builder = Host.CreateApplicationBuilder(args);
    builder.AddDistributedTrainer(options => options.Experiment = experimentFile);
    ExtensionRegistry.Use(typeof(ScaledGate).Assembly);
    using var host = builder.Build();
    var run = host.Services.GetRequiredService<TrainingRun>();
    await host.RunAsync();
    Console.WriteLine($"host: {(await run.Result).ParametersSha256}");
    return;
}

CheckGradients();
var built = await TrainFromCSharp();
var read = await TrainFromYaml();
Console.WriteLine(built.ParametersSha256 == read.ParametersSha256 ? $"the same: {built.ParametersSha256}" : "different bits");
await TrainInMemory();

// The derivatives that are written by hand, against differences.
static void CheckGradients()
{
    var network = Network.Create(features: 3, seed: 1, new LinearDefinition(4), new ScaledGate(1.5f), new LinearDefinition(1));
    float[] features = [0.1f, -0.4f, 0.9f, 1.2f, 0.3f, -0.7f], targets = [0.5f, -0.2f];
    var check = GradientCheck.Run(network, new Examples(features, targets));
    foreach (var parameter in check.Parameters)
    {
        Console.WriteLine($"gradient of {parameter.Name}: {(parameter.Passed ? "right" : "wrong")}");
    }
}

// A model with the layer and the loss of this program.
static async Task<TrainingResult> TrainFromCSharp()
{
    var experiment = new Experiment
    {
        Data = new DataOptions { Source = "diabetes", Preprocess = [new PreprocessOptions(PreprocessKind.Standardize)] },
        Model = new ModelOptions { Layers = [new LinearOptions(16), new ScaledGate(1.5f), new LinearOptions(1)] },
        Loss = new QuantileLoss(0.8f),
        Optimizer = new OptimizerOptions { LearningRate = 0.3 },
        Training = new TrainingOptions { Epochs = 20, BatchSize = 32, Shards = 4 },
        Cluster = new ClusterOptions { Workers = 2 },
    };
    var trainer = new Trainer(experiment);
    trainer.EvaluationCompleted += (_, e) => Console.WriteLine($"epoch {e.Epoch}: validation loss {e.ValidationLoss:0.0}");
    return await trainer.RunAsync();
}

// The same from a file, with another number of workers; when it is cancelled it goes on where it was.
async Task<TrainingResult> TrainFromYaml()
{
    ExtensionRegistry.Use(typeof(ScaledGate).Assembly);
    var trainer = Trainer.FromFile(experimentFile);
    using var cancel = new CancellationTokenSource();
    trainer.StepCompleted += (_, e) => cancel.Cancel();
    try
    {
        return await trainer.RunAsync(cancel.Token);
    }
    catch (TrainingCanceledException canceled)
    {
        Console.WriteLine($"cancelled: {canceled.Message}");
        return await Trainer.Resume(canceled.RunDirectory, "cluster.workers=1").RunAsync();
    }
}

// Rows of this program: which of two numbers is the larger.
static async Task TrainInMemory()
{
    var features = Enumerable.Range(0, 400).Select(i => MathF.Sin(1.3f * i)).ToArray();
    var labels = Enumerable.Range(0, 200).Select(row => features[2 * row] > features[(2 * row) + 1] ? 1 : 0).ToArray();
    var trainer = new Trainer(new Experiment
    {
        Name = "larger",
        Data = new DataOptions { Source = "numbers" },
        Model = new ModelOptions { Layers = [new LinearOptions(2)] },
        Optimizer = new OptimizerOptions { LearningRate = 0.1 },
        Training = new TrainingOptions { Epochs = 20, BatchSize = 20, Shards = 2 },
    })
    {
        Data = MemoryData.OfClasses("numbers", columns: 2, features, labels, ["no", "yes"]),
    };
    TrainingResult result = await trainer.RunAsync();
    int[] classes = result.Model.PredictClasses([0.9f, 0.1f, 0.2f, 0.8f]);
    Console.WriteLine($"larger: {string.Join(", ", classes.Select(number => result.Model.ClassNames[number]))}");
}
