using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>What does not fit is refused before anything is computed, and named.</summary>
public sealed class NetworkMistakesTests
{
    private static readonly float[] Features = [0, 1, 2, 3, 4, 5];
    private static readonly int[] Labels = [0, 1, 2];

    [Fact]
    public void Lengths_must_fit()
    {
        Refused("5 features, which are not whole rows of 2", network => network.Fit(Features.AsMemory(0, 5), Labels));
        Refused("2 labels for 3 rows", network => network.Fit(Features, Labels.AsMemory(0, 2)));
        Refused("4 targets for 3 rows and 3 outputs", network => network.Fit(Features, new float[4]));
        Refused("there are no rows", network => network.Fit(ReadOnlyMemory<float>.Empty, ReadOnlyMemory<int>.Empty));
        Refused("5 features", network => network.Predict(Features.AsSpan(0, 5)));
    }

    [Fact]
    public void Classes_must_exist()
    {
        Refused("label of row 1 is 3, it must be from 0 to 2", network => network.Fit(Features, new[] { 0, 3, 1 }));
        Refused("label of row 2 is -1", network => network.Evaluate(Features, new[] { 0, 1, -1 }));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Numbers_must_be_finite(float wrong)
    {
        float[] features = [0, 1, 2, wrong, 4, 5];
        Refused("training: feature 1 of row 1", network => network.Fit(features, Labels));
        Refused("prediction: feature 1 of row 1", network => network.Predict(features));
        Refused("validation: feature 1 of row 1", network => network.Fit(Features, Labels, new FitOptions { Validation = new Examples(features, Labels) }));
        Refused("target 0 of row 1", network => network.Fit(Features, new[] { 0, 0, 0, wrong, 0, 0, 0, 0, 0 }));
    }

    [Fact]
    public void The_loss_must_fit_targets_and_outputs()
    {
        Refused("mean-squared-error needs values", network => network.Fit(Features, Labels, new FitOptions { Loss = new MeanSquaredErrorLoss() }));
        Refused("hinge does not fit a model with 3 outputs", network => network.Fit(Features, Labels, new FitOptions { Loss = new HingeLoss() }));
        Refused("cross-entropy needs classes", network => network.Evaluate(Features, new float[9], new CrossEntropyLoss()));
    }

    [Fact]
    public void All_options_that_are_wrong_are_named_at_once()
    {
        var problem = Assert.Throws<ArgumentException>(() => Make().Fit(Features, Labels, new FitOptions
        {
            LearningRate = 0,
            Epochs = 0,
            BatchSize = 0,
            WeightDecay = -1,
            L1 = double.NaN,
            L1Zeros = true,
            ClipNorm = 0,
            Leaves = 4,
            EarlyStopping = new EarlyStopping(0),
        }));
        foreach (var name in (string[])["LearningRate", "Epochs", "BatchSize", "WeightDecay", "L1 is", "L1Zeros", "ClipNorm", "Leaves", "EarlyStopping needs", "Patience"])
        {
            Assert.Contains(name, problem.Message);
        }
    }

    [Fact]
    public void Batch_norm_needs_two_rows()
    {
        var network = Network.Create(2, 1, new LinearDefinition(3), new BatchNormDefinition());
        Assert.Contains("one alone occurs in step 1", Assert.Throws<ArgumentException>(() => network.Fit(Features, Labels, new FitOptions { BatchSize = 2 })).Message);
        network.Fit(Features, Labels, new FitOptions { BatchSize = 3, Epochs = 1 });
        var apart = Network.Create(2, 1, new LinearDefinition(3), new BatchNormDefinition(Sync: false));
        Assert.Contains("each leaf", Assert.Throws<ArgumentException>(() => apart.Fit(Features, Labels, new FitOptions { BatchSize = 3, Leaves = 2 })).Message);
    }

    [Fact]
    public void Layers_must_be_there_and_fit()
    {
        Assert.Throws<ArgumentException>(() => Network.Create(2, 1));
        Assert.Contains("layer 0", Assert.Throws<ArgumentException>(() => Network.Create(2, 1, new MaxPool2dDefinition(2))).Message);
        Assert.Throws<ArgumentException>(() => Network.Create(0, 1, new LinearDefinition(1)));
    }

    private static Network Make() => Network.Create(2, 1, new LinearDefinition(3));

    private static void Refused(string part, Action<Network> use) => Assert.Contains(part, Assert.Throws<ArgumentException>(() => use(Make())).Message);
}
