using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>Small sets of rows that can be learnt, and networks for them.</summary>
internal static class Sets
{
    /// <summary>Three clouds in the plane, around the corners of a triangle; the class goes round from row to row.</summary>
    public static (float[] Features, int[] Labels) Clouds(int rows, int seed = 1, double deviation = 0.3)
    {
        var features = Numbers.Normal(rows * 2, seed, deviation: deviation);
        var labels = new int[rows];
        (float X, float Y)[] corners = [(-1, -1), (1, -1), (0, 1)];
        for (var row = 0; row < rows; row++)
        {
            labels[row] = row % 3;
            features[2 * row] += corners[labels[row]].X;
            features[(2 * row) + 1] += corners[labels[row]].Y;
        }

        return (features, labels);
    }

    /// <summary>t = 2 a − b + 0.5 of two normal numbers.</summary>
    public static (float[] Features, float[] Targets) Line(int rows, int seed = 1)
    {
        var features = Numbers.Normal(rows * 2, seed);
        var targets = new float[rows];
        for (var row = 0; row < rows; row++)
        {
            targets[row] = (2 * features[2 * row]) - features[(2 * row) + 1] + 0.5f;
        }

        return (features, targets);
    }

    /// <summary>Everything whose state could leak from one fit to the next: batch-norm, dropout.</summary>
    public static Network Mixed(ulong seed = 5) => Network.Create(
        2,
        seed,
        new LinearDefinition(12),
        new BatchNormDefinition(),
        new ActivationDefinition(Activation.Relu),
        new DropoutDefinition(0.1f),
        new LinearDefinition(3));
}
