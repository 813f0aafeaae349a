using System.Globalization;
using System.Text;

namespace DistributedTrainer.Experiments.Writing;

/// <summary>Single values as YAML, the same on every system.</summary>
internal static class YamlValues
{
    public static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "null";

    public static string Flag(bool value) => value ? "true" : "false";

    public static string List<T>(IReadOnlyCollection<T> items, Func<T, string> write) =>
        items.Count == 0 ? "[]" : $"[{string.Join(", ", items.Select(write))}]";

    /// <summary>A name as it is, where nothing else can be read from it.</summary>
    public static string Name(string name) => char.IsLetter(name[0]) && !name.Equals("null", StringComparison.OrdinalIgnoreCase) ? name : Quote(name);

    /// <summary>Any text between quotes; null as such.</summary>
    public static string Quote(string? value)
    {
        if (value is null)
        {
            return "null";
        }

        if (!value.Any(IsHidden))
        {
            return $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";
        }

        var text = new StringBuilder("\"");
        foreach (var letter in value)
        {
            text.Append(letter is '"' or '\\' || IsHidden(letter) ? $"\\u{(int)letter:X4}" : letter.ToString());
        }

        return text.Append('"').ToString();
    }

    private static bool IsHidden(char letter) => char.IsControl(letter) || letter is '\u2028' or '\u2029' or '\uFEFF';
}
