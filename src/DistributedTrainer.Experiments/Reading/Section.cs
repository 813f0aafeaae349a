using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Where problems go, with the file and line of the node that is to blame.</summary>
internal sealed class ProblemList(string file)
{
    private readonly HashSet<YamlNode> _overrides = new(ReferenceEqualityComparer.Instance);

    public string File => file;

    public List<Problem> Problems { get; } = [];

    /// <summary>Marks a node that came with --set and has no line.</summary>
    public void MarkOverride(YamlNode node) => _overrides.UnionWith(node.AllNodes);

    public void Add(YamlNode? node, string key, string message)
    {
        var overridden = node is not null && _overrides.Contains(node);
        Problems.Add(new Problem(overridden ? "--set" : file, node is null || overridden ? 0 : (int)node.Start.Line, key, message));
    }
}

/// <summary>
/// A mapping of the file, read key by key: what has a wrong type or an impossible value becomes a problem and the
/// default is taken, so that all problems are found in one reading.
/// </summary>
internal sealed class Section
{
    private readonly YamlMappingNode _mapping;
    private readonly HashSet<string> _known = [];

    public Section(YamlMappingNode mapping, string path, ProblemList problems)
    {
        (_mapping, Path, Problems) = (mapping, path, problems);
    }

    public string Path { get; }

    public ProblemList Problems { get; }

    public YamlNode Node => _mapping;

    public string KeyOf(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    /// <summary>The value of a key; null: not there, or null in the file.</summary>
    public YamlNode? Find(string name)
    {
        _known.Add(name);
        var value = _mapping.Children.FirstOrDefault(pair => pair.Key is YamlScalarNode { Value: { } key } && key == name).Value;
        return IsNull(value) ? null : value;
    }

    public static bool IsNull(YamlNode? node) =>
        node is null || (node is YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } scalar && scalar.Value is null or "" or "null" or "~");

    /// <summary>A section below; an empty one where it is not there.</summary>
    public Section Below(string name)
    {
        var node = Find(name);
        if (node is not (null or YamlMappingNode))
        {
            Problems.Add(node, KeyOf(name), $"{Text(node)} is not a section. Write keys under it, such as {name}: {{ … }}.");
        }

        return new Section(node as YamlMappingNode ?? [], KeyOf(name), Problems);
    }

    public string? Text(string name)
    {
        var node = Find(name);
        if (node is null or YamlScalarNode)
        {
            return (node as YamlScalarNode)?.Value;
        }

        Problems.Add(node, KeyOf(name), "a single text belongs here, not a list or a section.");
        return null;
    }

    public double Number(string name, double fallback, Func<double, bool> possible, string range) =>
        Find(name) is { } node ? Number(node, KeyOf(name), fallback, possible, range) : fallback;

    public double Number(YamlNode node, string key, double fallback, Func<double, bool> possible, string range)
    {
        if (node is not YamlScalarNode scalar || !double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !double.IsFinite(value))
        {
            var comma = node is YamlScalarNode { Value: { } text } && text.Contains(',') ? " Write a decimal point, not a comma." : "";
            Problems.Add(node, key, $"{Text(node)} is not a number. Write {range}.{comma}");
            return fallback;
        }

        if (!possible(value))
        {
            Problems.Add(node, key, $"{scalar.Value} is not possible. Write {range}.");
            return fallback;
        }

        return value;
    }

    public long Integer(string name, long fallback, long minimum, long maximum = int.MaxValue) =>
        Find(name) is { } node ? Integer(node, KeyOf(name), fallback, minimum, maximum) : fallback;

    public long Integer(YamlNode node, string key, long fallback, long minimum, long maximum = int.MaxValue)
    {
        if (node is YamlScalarNode scalar && long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= minimum && value <= maximum)
        {
            return value;
        }

        Problems.Add(node, key, $"{Text(node)} is not possible. Write a whole number{(maximum < int.MaxValue ? $" from {minimum} to {maximum}" : $", {minimum} or more")}.");
        return fallback;
    }

    public bool Flag(string name, bool fallback)
    {
        var node = Find(name);
        if (node is null)
        {
            return fallback;
        }

        if (node is YamlScalarNode { Value: "true" or "false" } scalar)
        {
            return scalar.Value == "true";
        }

        Problems.Add(node, KeyOf(name), $"{Text(node)} is neither true nor false.");
        return fallback;
    }

    /// <summary>One of an enumeration's names; those of <paramref name="planned"/> are known but not built.</summary>
    public T Choice<T>(string name, T fallback, params string[] planned)
        where T : struct, Enum => Find(name) is { } node ? Choice(node, KeyOf(name), fallback, planned) : fallback;

    public T Choice<T>(YamlNode node, string key, T fallback, params string[] planned)
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
            : $"{Text(node)} is unknown. {Names.Suggest(text, Names.All<T>().Concat(planned))}");
        return fallback;
    }

    /// <summary>Refuses a key that the design names but the trainer does not do yet; a neutral value passes.</summary>
    public void NotBuilt(string name, Func<YamlNode, bool>? neutral = null, string remedy = "Remove it.")
    {
        if (Find(name) is { } node && neutral?.Invoke(node) != true)
        {
            Problems.Add(node, KeyOf(name), $"{name} is not built yet. {remedy}");
        }
    }

    /// <summary>Call last: whatever was not asked for is unknown.</summary>
    public void RefuseUnknown()
    {
        foreach (var (key, _) in _mapping.Children)
        {
            var name = (key as YamlScalarNode)?.Value ?? key.ToString();
            if (!_known.Contains(name))
            {
                Problems.Add(key, KeyOf(name), $"there is no such key. {Names.Suggest(name, _known)}");
            }
        }
    }

    public static string Text(YamlNode node) => node switch
    {
        YamlScalarNode scalar => $"'{scalar.Value}'",
        YamlSequenceNode => "a list",
        _ => "a section",
    };
}
