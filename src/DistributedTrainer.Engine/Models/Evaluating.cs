using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Metrics;

namespace DistributedTrainer.Engine.Models;

/// <summary>One pass over rows in pieces that fit the workspace. Rows are independent here, so the pieces change no bit.</summary>
internal static class Evaluating
{
    /// <summary>The loss and all metrics that fit the kind of target.</summary>
    /// <exception cref="NotFiniteNumberException">The model gives NaN or infinity for a row.</exception>
    public static Evaluation Run(Workspace workspace, Examples examples)
    {
        var outputs = workspace.Outputs(examples.Features.Length, out var rows);
        var loss = 0.0;
        var (at, activity) = (0, new UnitActivity(workspace));
        for (var first = 0; first < rows; first += workspace.MaximumRows)
        {
            var count = Math.Min(workspace.MaximumRows, rows - first);
            examples.Gather(first, count, workspace);
            workspace.Evaluate(count, out var sums);
            loss += sums.Loss;
            activity.Add(count);
            workspace.Outputs.CopyTo(outputs.AsSpan(at));
            at += workspace.Outputs.Length;
        }

        Check(outputs, outputs.Length / rows);
        var evaluation = new Evaluation(loss / rows, rows) { Units = activity.Statistics() };
        return workspace.Loss switch
        {
            { Targets: LossTargets.Classes } => Classes(evaluation, workspace.Loss, outputs, examples.Labels.Span),
            RegressionLoss => Values(evaluation, outputs, examples.Targets.Span),
            _ => evaluation,
        };
    }

    /// <summary>Outputs (rows, outputs) of features (rows, features).</summary>
    public static float[] Predict(Workspace workspace, ReadOnlySpan<float> features)
    {
        var outputs = workspace.Outputs(features.Length, out var rows);
        var (width, at) = (features.Length / rows, 0);
        for (var first = 0; first < rows; first += workspace.MaximumRows)
        {
            var count = Math.Min(workspace.MaximumRows, rows - first);
            features.Slice(first * width, count * width).CopyTo(workspace.Input(count));
            workspace.Predict(count);
            workspace.Outputs.CopyTo(outputs.AsSpan(at));
            at += workspace.Outputs.Length;
        }

        return outputs;
    }

    /// <summary>
    /// Probabilities (rows, C) of scores (rows, outputs): softmax of each row, or 1 − σ(z) and σ(z) of a single output.
    /// </summary>
    public static float[] Probabilities(ReadOnlySpan<float> scores, int outputs)
    {
        var probabilities = new float[outputs == 1 ? scores.Length * 2 : scores.Length];
        if (outputs > 1)
        {
            SoftmaxKernel.Softmax(probabilities, scores, outputs);
            return probabilities;
        }

        // σ(−z) rather than 1 − σ(z), which would lose its digits for large z.
        var (signed, sigmoids) = (new float[probabilities.Length], probabilities);
        for (var row = 0; row < scores.Length; row++)
        {
            (signed[2 * row], signed[(2 * row) + 1]) = (-scores[row], scores[row]);
        }

        VectorMath.Sigmoid(sigmoids, signed);
        return sigmoids;
    }

    private static Evaluation Classes(Evaluation evaluation, Loss loss, float[] outputs, ReadOnlySpan<int> labels)
    {
        var columns = outputs.Length / labels.Length;
        var classes = Math.Max(2, columns);
        var (confusion, logLoss, probabilities) = (new ConfusionMatrix(classes), new LogLoss(), Probabilities(outputs, columns));
        for (var row = 0; row < labels.Length; row++)
        {
            confusion.Add(labels[row], loss.Predict(outputs.AsSpan(row * columns, columns)));
            logLoss.Add(probabilities.AsSpan(row * classes, classes), labels[row]);
        }

        // Two classes are ranked by the scores themselves: probabilities near 1 would be ties.
        var areaUnderCurve = columns switch
        {
            1 => RocAuc.Binary(outputs, labels),
            2 => RocAuc.Binary(Differences(outputs), labels),
            _ => RocAuc.MacroOneVersusRest(probabilities, classes, labels),
        };
        return evaluation with
        {
            Confusion = confusion,
            RocAuc = areaUnderCurve,
            LogLoss = loss is CrossEntropyLoss or KlDivergenceLoss or LogisticLoss or BinaryCrossEntropyLoss ? logLoss.Value : null,
        };
    }

    private static Evaluation Values(Evaluation evaluation, float[] outputs, ReadOnlySpan<float> targets)
    {
        var columns = outputs.Length / (int)evaluation.Rows;
        var regression = new RegressionMetrics(columns);
        for (var first = 0; first < outputs.Length; first += columns)
        {
            regression.Add(targets.Slice(first, columns), outputs.AsSpan(first, columns));
        }

        return evaluation with { Regression = regression };
    }

    private static float[] Differences(float[] pairs)
    {
        var differences = new float[pairs.Length / 2];
        for (var row = 0; row < differences.Length; row++)
        {
            differences[row] = pairs[(2 * row) + 1] - pairs[2 * row];
        }

        return differences;
    }

    private static void Check(float[] outputs, int columns)
    {
        for (var i = 0; i < outputs.Length; i++)
        {
            if (!float.IsFinite(outputs[i]))
            {
                throw new NotFiniteNumberException(
                    $"evaluation: output {i % columns} of row {i / columns} is {outputs[i]}. The weights have diverged: lower the learning rate, or look at the data for extreme values.", outputs[i]);
            }
        }
    }

    /// <summary>Room for the outputs of all rows.</summary>
    private static float[] Outputs(this Workspace workspace, int features, out int rows)
    {
        rows = features / workspace.Input(1).Length;
        return new float[checked(rows * workspace.Targets(1).Length)];
    }
}
