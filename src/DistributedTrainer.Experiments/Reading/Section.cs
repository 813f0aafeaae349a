using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>
/// A mapping of the file, read key by key: what has a wrong type or an impossible value becomes a problem and the
/// default is taken, so that all problems are found in one reading.
/// </summary>
internal sealed class Section
{
    private readonly YamlMappingNode? _mapping;
    private readonly HashSet<string> _known = [];

    /// <param name="mapping">Null: the section is not there.</param>
    /// <param name="path">Its dotted path.</param>
    /// <param name="problems">Where problems go.</param>
    public Section(YamlMappingNode? mapping, string path, ProblemList problems)
    {
        (_mapping, Path, Problems) = (mapping, path, problems);
    }

    public string Path { get; }

    public ProblemList Problems { get; }

    /// <summary>Null: the section is not there.</summary>
    public YamlNode? Node => _mapping;

    /// <summary>Whether something else stands where the section should be, so that nothing more can be said of its keys.</summary>
    public bool IsBroken { get; private init; }

    public string KeyOf(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    /// <summary>The value of a key; null: not there, or null in the file.</summary>
    public YamlNode? Find(string name)
    {
        _known.Add(name);
        var value = _mapping?.Children.FirstOrDefault(pair => pair.Key is YamlScalarNode { Value: { } key } && key == name).Value;
        return IsNull(value) ? null : value;
    }

    /// <summary>The value of a key that only becomes known by being there.</summary>
    public YamlNode? FindForeign(string name) =>
        Has(name) ? Find(name) : null;

    /// <summary>Whether a key is there, be its value null.</summary>
    public bool Has(string name) => _mapping?.Children.Keys.Any(key => key is YamlScalarNode scalar && scalar.Value == name) == true;

    /// <summary>Whether any key was asked for.</summary>
    public bool KnowsKeys => _known.Count > 0;

    public static bool IsNull(YamlNode? node) =>
        node is null || (node is YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } scalar && scalar.Value is null or "" or "null" or "Null" or "NULL" or "~");

    /// <summary>A section below; an empty one where it is not there.</summary>
    /// <param name="name">Its key.</param>
    /// <param name="example">What may stand in it; shown where something else is there.</param>
    public Section Below(string name, string example)
    {
        var node = Find(name);
        if (node is null or YamlMappingNode)
        {
            return new Section(node as YamlMappingNode, KeyOf(name), Problems);
        }

        Problems.Add(node, KeyOf(name), $"{Text(node)} is not a section. Write keys under it, such as {name}: {{ {example} }}.");
        return new Section(null, KeyOf(name), Problems) { IsBroken = true };
    }

    public string? Text(string name)
    {
        var node = Find(name);
        if (node is null or YamlScalarNode)
        {
            return (node as YamlScalarNode)?.Value;
        }

        Problems.Add(node, KeyOf(name), $"{Text(node)} is not possible. Write a single text.");
        return null;
    }

    public double Number(string name, double fallback, Func<double, bool> possible, string range) =>
        Find(name) is { } node ? Number(node, KeyOf(name), fallback, possible, range) : fallback;

    public double Number(YamlNode node, string key, double fallback, Func<double, bool> possible, string range)
    {
        if (IsQuoted(node, key))
        {
            return fallback;
        }

        if (node is not YamlScalarNode scalar || !double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !double.IsFinite(value))
        {
            var comma = node is YamlScalarNode { Value: { } text } && text.Contains(',') ? " Write a decimal point, not a comma." : "";
            Problems.Add(node, key, $"{Text(node)} is not a number. Write {range}.{comma}");
            return fallback;
        }

        if (!possible(value))
        {
            Problems.Add(node, key, $"{Text(node)} is not possible. Write {range}.");
            return fallback;
        }

        // The engine computes in float32: there, 1e-60 is 0 and 0.999999999 is 1.
        var single = (float)value;
        if (!float.IsFinite(single) || !possible(single) || (single == 0 && value != 0))
        {
            Problems.Add(node, key, $"{Text(node)} is {single.ToString(CultureInfo.InvariantCulture)} in single precision, which is not possible. Write {range}.");
            return fallback;
        }

        return value;
    }

    public long Integer(string name, long fallback, long minimum, long maximum = int.MaxValue) =>
        Find(name) is { } node ? Integer(node, KeyOf(name), fallback, minimum, maximum) : fallback;

    public long Integer(YamlNode node, string key, long fallback, long minimum, long maximum = int.MaxValue)
    {
        if (IsQuoted(node, key))
        {
            return fallback;
        }

        var whole = long.TryParse((node as YamlScalarNode)?.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value);
        if (whole && value >= minimum && value <= maximum)
        {
            return value;
        }

        Problems.Add(
            node,
            key,
            $"{Text(node)} is {(whole ? "not possible" : "not a whole number")}. Write a whole number{(maximum < int.MaxValue || (whole && value > maximum) ? $" from {minimum} to {maximum}" : $", {minimum} or more")}.");
        return fallback;
    }

    /// <summary>A whole number of 64 bits without sign.</summary>
    public ulong Natural(string name, ulong fallback)
    {
        var node = Find(name);
        if (node is null || IsQuoted(node, KeyOf(name)))
        {
            return fallback;
        }

        if (ulong.TryParse((node as YamlScalarNode)?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return value;
        }

        Problems.Add(node, KeyOf(name), $"{Text(node)} is not possible. Write a whole number from 0 to {ulong.MaxValue}.");
        return fallback;
    }

    public bool Flag(string name, bool fallback)
    {
        var node = Find(name);
        if (node is null || IsQuoted(node, KeyOf(name)))
        {
            return fallback;
        }

        if (node is YamlScalarNode { Value: "true" or "false" } scalar)
        {
            return scalar.Value == "true";
        }

        Problems.Add(node, KeyOf(name), $"{Text(node)} is neither true nor false. Write one of them.");
        return fallback;
    }

    /// <summary>One of an enumeration's names; those of <paramref name="planned"/> are known but not built.</summary>
    public T Choice<T>(string name, T fallback, params string[] planned)
        where T : struct, Enum => Find(name) is { } node ? Choice<T>(node, KeyOf(name), planned) ?? fallback : fallback;

    /// <summary>One of an enumeration's names; null: it is none, and a problem says so.</summary>
    public T? Choice<T>(YamlNode node, string key, params string[] planned)
        where T : struct, Enum => Choice<T>(node, key, planned, []);

    /// <summary>The same where other names, which are no values of the enumeration, are possible too.</summary>
    public T? Choice<T>(YamlNode node, string key, string[] planned, string[] others)
        where T : struct, Enum
    {
        var text = (node as YamlScalarNode)?.Value ?? "";
        foreach (var value in Enum.GetValues<T>())
        {
            if (Names.Kebab(value) == text)
            {
                return value;
            }
        }

        Problems.Add(node, key, planned.Contains(text)
            ? $"{text} is not built yet. Write {string.Join(" or ", Names.All<T>())}."
            : $"{Text(node)} is unknown. {Names.Suggest(text, [.. Names.All<T>(), .. planned, .. others])}");
        return null;
    }

    /// <summary>Call last: whatever was not asked for is unknown.</summary>
    public void RefuseUnknown()
    {
        foreach (var (key, value) in (_mapping ?? []).Children)
        {
            var name = (key as YamlScalarNode)?.Value ?? "";
            if (!_known.Contains(name))
            {
                Problems.Add(key, KeyOf(Shortened(name)), $"there is no such key. {Remedy(name, value)}");
            }
        }
    }

    public static string Text(YamlNode node) => node switch
    {
        YamlScalarNode scalar => Quoted(scalar.Value ?? ""),
        YamlSequenceNode => "a list",
        _ => "a section",
    };

    /// <summary>A text of the user as it is shown in a message.</summary>
    public static string Quoted(string text) => $"'{Shortened(text)}'";

    private static string Shortened(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length <= 60 ? line : $"{line[..60]}…";
    }

    private string Remedy(string name, YamlNode value) =>
        name == "<<" ? "Merging is not done here: write the keys out."
        : name.Length > 0 && name.All(char.IsAsciiDigit) && IsNull(value) ? "Write a decimal point, not a comma, before digits."
        : _known.Count == 0 ? "Remove it."
        : Names.SuggestKey(name, _known, Path);

    private bool IsQuoted(YamlNode node, string key)
    {
        if (node is not YamlScalarNode { Style: ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted } scalar)
        {
            return false;
        }

        Problems.Add(node, key, $"{Text(scalar)} between quotes is a text. Write it without them.");
        return true;
    }
}
