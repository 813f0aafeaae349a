using System.Text;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Names as users write them, and the nearest one to a misspelt one.</summary>
internal static class Names
{
    /// <summary>Kebab case: MinMax → min-max.</summary>
    public static string Kebab(string pascal)
    {
        var text = new StringBuilder();
        foreach (var letter in pascal)
        {
            if (char.IsUpper(letter) && text.Length > 0)
            {
                text.Append('-');
            }

            text.Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }

    public static string Kebab<T>(T value)
        where T : struct, Enum => Kebab(value.ToString());

    public static IEnumerable<string> All<T>()
        where T : struct, Enum => Enum.GetNames<T>().Select(Kebab);

    /// <summary>"Did you mean …?" where a name is near, else the list of all.</summary>
    public static string Suggest(string wrong, IEnumerable<string> names)
    {
        var all = names.ToArray();
        var nearest = all.MinBy(name => Distance(wrong.ToLowerInvariant(), name));
        return nearest is not null && Distance(wrong.ToLowerInvariant(), nearest) <= Math.Max(1, wrong.Length / 3)
            ? $"Did you mean {nearest}?"
            : $"Possible are {string.Join(", ", all)}.";
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
