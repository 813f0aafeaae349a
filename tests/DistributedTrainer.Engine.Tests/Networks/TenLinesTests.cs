using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>The example of the README, as it stands there.</summary>
public sealed class TenLinesTests
{
    [Fact]
    public void Ten_lines_learn_exclusive_or()
    {
        var path = Path.GetTempFileName();
        try
        {
            Assert.Equal([0, 1, 1, 0], Learn(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static int[] Learn(string path)
    {
        float[] features = [0, 0, 0, 1, 1, 0, 1, 1];
        int[] labels = [0, 1, 1, 0];

        var network = Network.Create(features: 2, seed: 42,
            new LinearDefinition(8),
            new ActivationDefinition(Activation.Tanh),
            new LinearDefinition(2));
        network.Fit(features, labels, new FitOptions { Epochs = 300, LearningRate = 0.05 });
        Console.WriteLine(network.Evaluate(features, labels));
        network.Save(path);
        int[] classes = Network.Load(path).PredictClasses(features);
        return classes;
    }
}
