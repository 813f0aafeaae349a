namespace DistributedTrainer.Engine.Metrics;

/// <summary>
/// The area under the receiver operating characteristic: the probability that a row of the class has a higher score than
/// a row of another class, ties counting half (the Mann-Whitney U statistic over the number of pairs). Counted in whole
/// numbers, so exact up to one division, in any order of the rows.
/// <para>
/// It needs all scores at once. Without a row of the class, or without any other, there is no pair to compare: the
/// result is null.
/// </para>
/// Source: Hanley, McNeil, "The meaning and use of the area under a ROC curve", 1982.
/// </summary>
public static class RocAuc
{
    /// <summary>Of two classes.</summary>
    /// <param name="scores">A score a row (B), the higher the more it speaks for class 1.</param>
    /// <param name="labels">Classes (B), 0 or 1.</param>
    /// <returns>0 to 1; null where one class is missing.</returns>
    /// <exception cref="ArgumentException">The lengths differ, a score is NaN, or a label is not 0 or 1.</exception>
    public static double? Binary(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels)
    {
        CheckLabels(labels, 2);
        return OfClass(scores, 1, 0, labels, 1);
    }

    /// <summary>Of one class against all others.</summary>
    /// <param name="scores">A score for each class (B,C).</param>
    /// <param name="classes">C, at least 2.</param>
    /// <param name="labels">Classes (B).</param>
    /// <param name="label">Which class.</param>
    /// <returns>0 to 1; null where no row, or every row, is of the class.</returns>
    /// <exception cref="ArgumentException">The lengths do not fit, a score is NaN, or a label is no class.</exception>
    public static double? OneVersusRest(ReadOnlySpan<float> scores, int classes, ReadOnlySpan<int> labels, int label)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        CheckLabels(labels, classes);
        return (uint)label < (uint)classes
            ? OfClass(scores, classes, label, labels, label)
            : throw new ArgumentOutOfRangeException(nameof(label), $"ROC AUC: class {label} was asked for; classes are from 0 to {classes - 1}.");
    }

    /// <summary>
    /// Mean over the classes of each against the rest. Scores should be probabilities, so that they can be compared from
    /// row to row. Classes for which the area is null are left out; null where it is so for all.
    /// </summary>
    /// <param name="scores">A score for each class (B,C).</param>
    /// <param name="classes">C, at least 2.</param>
    /// <param name="labels">Classes (B).</param>
    /// <exception cref="ArgumentException">The lengths do not fit, a score is NaN, or a label is no class.</exception>
    public static double? MacroOneVersusRest(ReadOnlySpan<float> scores, int classes, ReadOnlySpan<int> labels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        CheckLabels(labels, classes);
        var (sum, count) = (0.0, 0);
        for (var label = 0; label < classes; label++)
        {
            if (OfClass(scores, classes, label, labels, label) is { } area)
            {
                sum += area;
                count++;
            }
        }

        return count == 0 ? null : sum / count;
    }

    private static double? OfClass(ReadOnlySpan<float> scores, int columns, int column, ReadOnlySpan<int> labels, int label)
    {
        if (scores.Length != (long)labels.Length * columns)
        {
            throw new ArgumentException($"ROC AUC: there are {scores.Length} scores for {labels.Length} rows, there must be {columns} a row.");
        }

        var own = new float[labels.Length];
        var positive = new bool[labels.Length];
        for (var row = 0; row < labels.Length; row++)
        {
            own[row] = scores[(row * columns) + column];
            positive[row] = labels[row] == label;
            if (float.IsNaN(own[row]))
            {
                throw new ArgumentException($"ROC AUC: the score of row {row} is NaN, which has no order.");
            }
        }

        // From the lowest score on, in groups of equal ones: a positive beats all negatives of the groups before, and
        // half of those of its own. Everything is counted in halves.
        Array.Sort(own, positive);
        var (below, positives, halves) = (0L, 0L, Int128.Zero);
        for (var first = 0; first < own.Length;)
        {
            var (groupPositives, groupNegatives) = (0L, 0L);
            var end = first;
            for (; end < own.Length && own[end] == own[first]; end++)
            {
                (groupPositives, groupNegatives) = positive[end] ? (groupPositives + 1, groupNegatives) : (groupPositives, groupNegatives + 1);
            }

            halves += (Int128)groupPositives * ((2 * below) + groupNegatives);
            (below, positives, first) = (below + groupNegatives, positives + groupPositives, end);
        }

        return positives == 0 || below == 0 ? null : (double)halves / (2.0 * positives * below);
    }

    private static void CheckLabels(ReadOnlySpan<int> labels, int classes)
    {
        var wrong = labels.IndexOfAnyExceptInRange(0, classes - 1);
        if (wrong >= 0)
        {
            throw new ArgumentException($"ROC AUC: the label of row {wrong} is {labels[wrong]}, it must be from 0 to {classes - 1}.");
        }
    }
}
