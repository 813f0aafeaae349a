using System.Buffers;
using System.Globalization;
using System.Text;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Writing;

/// <summary>Single values as YAML, the same on every system.</summary>
internal static class YamlValues
{
    // What would end or change a plain value between brackets.
    private static readonly SearchValues<char> Indicators = SearchValues.Create(",[]{}:#\n");

    public static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "null";

    public static string Flag(bool value) => value ? "true" : "false";

    public static string List<T>(IReadOnlyCollection<T> items, Func<T, string> write) =>
        items.Count == 0 ? "[]" : $"[{string.Join(", ", items.Select(write))}]";

    /// <summary>A name as it is, where nothing else can be read from it.</summary>
    public static string Name(string name) => char.IsLetter(name[0]) && !name.Equals("null", StringComparison.OrdinalIgnoreCase) ? name : Quote(name);

    /// <summary>A key as it is where it is made of plain characters, else between quotes.</summary>
    public static string Key(string key) => key.Length > 0 && key.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_') && char.IsAsciiLetter(key[0]) ? key : Quote(key);

    /// <summary>A value of the file on one line, so that reading it gives the same value.</summary>
    public static string Flow(YamlNode node) => node switch
    {
        YamlMappingNode mapping => $"{{{string.Join(", ", mapping.Children.Select(static pair => $"{Flow(pair.Key)}: {Flow(pair.Value)}"))}}}",
        YamlSequenceNode list => $"[{string.Join(", ", list.Children.Select(Flow))}]",
        YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: { Length: > 0 } text } when !text.AsSpan().ContainsAny(Indicators) => text,
        YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: null or "" } => "null",
        YamlScalarNode scalar => Quote(scalar.Value ?? ""),
        _ => throw new ArgumentException($"experiment: a node of type {node.NodeType} cannot be written."),
    };

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
