namespace DistributedTrainer.Engine.Metrics;

/// <summary>
/// How often each class (row) was predicted as each class (column): whole numbers, so exact in any order. All measures
/// of single predictions follow from it.
/// <para>
/// Where a measure would be 0 / 0 it is 0, as in scikit-learn: precision of a class that was never predicted, recall of
/// a class that never occurs, everything of an empty matrix. A macro mean leaves out classes that neither occur nor are
/// predicted.
/// </para>
/// Source: Sokolova, Lapalme, "A systematic analysis of performance measures for classification tasks", 2009.
/// </summary>
public sealed class ConfusionMatrix
{
    private readonly long[] _counts;

    /// <summary>An empty matrix.</summary>
    /// <param name="classes">C, at least 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than two classes.</exception>
    public ConfusionMatrix(int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        Classes = classes;
        _counts = new long[checked(classes * classes)];
    }

    /// <summary>C.</summary>
    public int Classes { get; }

    /// <summary>Rows counted.</summary>
    public long Rows { get; private set; }

    /// <summary>Rows whose prediction was the right class.</summary>
    public long Correct { get; private set; }

    /// <summary>Correct / Rows.</summary>
    public double Accuracy => Ratio(Correct, Rows);

    /// <summary>Mean precision.</summary>
    public double MacroPrecision => Macro(Precision);

    /// <summary>Mean recall: the balanced accuracy, where every class occurs.</summary>
    public double MacroRecall => Macro(Recall);

    /// <summary>Mean F1 (not F1 of the means).</summary>
    public double MacroF1 => Macro(F1);

    /// <summary>Rows of class <paramref name="label"/> that were predicted as <paramref name="predicted"/>.</summary>
    public long this[int label, int predicted] => _counts[Place(label, predicted)];

    /// <summary>Counts one row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One of both is no class.</exception>
    public void Add(int label, int predicted)
    {
        _counts[Place(label, predicted)]++;
        Rows++;
        Correct += label == predicted ? 1 : 0;
    }

    /// <summary>Counts rows.</summary>
    /// <exception cref="ArgumentException">The lengths differ, or a number is no class.</exception>
    public void Add(ReadOnlySpan<int> labels, ReadOnlySpan<int> predicted)
    {
        if (labels.Length != predicted.Length)
        {
            throw new ArgumentException($"confusion matrix: there are {labels.Length} labels and {predicted.Length} predictions. Each row needs both.");
        }

        for (var row = 0; row < labels.Length; row++)
        {
            Add(labels[row], predicted[row]);
        }
    }

    /// <summary>Adds the counts of another matrix.</summary>
    /// <exception cref="ArgumentException">It has another number of classes.</exception>
    public void Add(ConfusionMatrix other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Classes != Classes)
        {
            throw new ArgumentException($"confusion matrix: {other.Classes} classes cannot be added to {Classes}.", nameof(other));
        }

        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        (Rows, Correct) = (Rows + other.Rows, Correct + other.Correct);
    }

    /// <summary>Rows of the class.</summary>
    public long Support(int label)
    {
        var sum = 0L;
        for (var other = 0; other < Classes; other++)
        {
            sum += this[label, other];
        }

        return sum;
    }

    /// <summary>Rows that were predicted as the class.</summary>
    public long Predicted(int label)
    {
        var sum = 0L;
        for (var other = 0; other < Classes; other++)
        {
            sum += this[other, label];
        }

        return sum;
    }

    /// <summary>Of the rows predicted as the class, the share that is of it: TP / (TP + FP).</summary>
    public double Precision(int label) => Ratio(this[label, label], Predicted(label));

    /// <summary>Of the rows of the class, the share that was predicted so: TP / (TP + FN).</summary>
    public double Recall(int label) => Ratio(this[label, label], Support(label));

    /// <summary>Harmonic mean of both: 2 TP / (2 TP + FP + FN).</summary>
    public double F1(int label) => Ratio(2 * this[label, label], Support(label) + Predicted(label));

    private static double Ratio(long part, long whole) => whole == 0 ? 0 : (double)part / whole;

    private double Macro(Func<int, double> measure)
    {
        var (sum, classes) = (0.0, 0);
        for (var label = 0; label < Classes; label++)
        {
            if (Support(label) + Predicted(label) > 0)
            {
                sum += measure(label);
                classes++;
            }
        }

        return classes == 0 ? 0 : sum / classes;
    }

    private int Place(int label, int predicted) => (uint)label < (uint)Classes && (uint)predicted < (uint)Classes
        ? (label * Classes) + predicted
        : throw new ArgumentOutOfRangeException(
            nameof(label), $"confusion matrix: class {label} predicted as {predicted} was given; classes are from 0 to {Classes - 1}.");
}
