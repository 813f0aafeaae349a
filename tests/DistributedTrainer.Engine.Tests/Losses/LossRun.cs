using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Engine.Tests.Losses;

internal static class LossRun
{
    /// <summary>Every loss, with parameters other than the defaults where it has some.</summary>
    public static readonly Loss[] All =
    [
        new PerceptronLoss(), new HingeLoss(), new LogisticLoss(), new BinaryCrossEntropyLoss(), new MulticlassPerceptronLoss(), new MulticlassHingeLoss(),
        new CrossEntropyLoss(), new CrossEntropyLoss(0.1f), new KlDivergenceLoss(), new KlDivergenceLoss(LossTargets.Values), new MeanSquaredErrorLoss(),
        new MeanAbsoluteErrorLoss(), new HuberLoss(), new HuberLoss(0.3f),
    ];

    public static TheoryData<int> Numbers => [.. Enumerable.Range(0, All.Length)];

    public static (float[] Losses, float[] Dz) Run(Loss loss, float[] z, int[] labels, float[] targets, int rows)
    {
        var (losses, dz) = (new float[rows], new float[z.Length]);
        Array.Fill(losses, float.NaN);
        Array.Fill(dz, float.NaN);
        loss.Compute(z, labels, targets, dz, losses);
        return (losses, dz);
    }

    /// <summary>Scores within ±scale and targets that suit the loss.</summary>
    public static (float[] Z, int[] Labels, float[] Targets, int Outputs) Batch(Loss loss, int rows, int outputs, float scale, int seed)
    {
        var random = new System.Random(seed);
        outputs = loss.OutputsFor(2) == 1 ? 1 : outputs;
        float[] z = [.. Enumerable.Range(0, rows * outputs).Select(_ => MathF.Round(scale * (2 * random.NextSingle() - 1) * 1024) / 1024)];
        int[] labels = [.. Enumerable.Range(0, rows).Select(_ => random.Next(outputs == 1 ? 2 : outputs))];
        float[] targets = [.. Enumerable.Range(0, rows * outputs).Select(_ => random.NextSingle())];
        if (loss is KlDivergenceLoss)
        {
            Normalize(targets, outputs);
        }

        return (z, labels, targets, outputs);
    }

    public static void Normalize(float[] rows, int columns)
    {
        for (var start = 0; start < rows.Length; start += columns)
        {
            var row = rows.AsSpan(start, columns);
            var sum = 0.0;
            foreach (var value in row)
            {
                sum += value;
            }

            foreach (ref var value in row)
            {
                value = (float)(value / sum);
            }
        }
    }
}
