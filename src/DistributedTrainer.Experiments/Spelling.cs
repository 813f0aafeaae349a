namespace DistributedTrainer.Experiments;

/// <summary>What somebody may have meant.</summary>
public static class Spelling
{
    /// <summary>The name that is nearest to what was written, if no more than a third of it is different; null: none is near.</summary>
    /// <param name="wrong">What was written.</param>
    /// <param name="names">What would be right.</param>
    public static string? Nearest(string wrong, IReadOnlyCollection<string> names)
    {
        ArgumentNullException.ThrowIfNull(wrong);
        var near = Math.Max(1, wrong.Length / 3);
        var nearest = names.Where(name => Math.Abs(name.Length - wrong.Length) <= near).MinBy(name => Distance(wrong, name));
        return nearest is not null && Distance(wrong, nearest) <= near ? nearest : null;
    }

    // Levenshtein, 1966.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
