using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Writes <c>key=value</c> overrides into the tree of an experiment file.</summary>
internal static class Overrides
{
    public static void Apply(YamlMappingNode root, string text, ProblemList problems)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            problems.AddOverride("", $"{Section.Quoted(text)} is not of the form key=value, such as optimizer.learning-rate=0.01.");
            return;
        }

        var path = text[..equals].Trim();
        var broken = false;
        var value = YamlText.Parse(text[(equals + 1)..], (_, key, message) =>
        {
            broken = true;
            problems.AddOverride(key.Length == 0 ? path : $"{path}.{key}", message);
        });
        if (!broken)
        {
            value ??= new YamlScalarNode("");
            problems.MarkOverride(value);
            Set(root, path, value, problems);
        }
    }

    private static void Set(YamlMappingNode root, string path, YamlNode value, ProblemList problems)
    {
        var names = path.Split('.');
        YamlNode at = root;
        for (var i = 0; i < names.Length; i++)
        {
            var last = i == names.Length - 1;
            switch (at)
            {
                case YamlMappingNode mapping:
                    at = Below(mapping, names[i], last ? value : null, problems);
                    break;
                case YamlSequenceNode list when int.TryParse(names[i], out var index) && index >= 0 && index < list.Children.Count:
                    // A layer without values, such as batch-norm, becomes one that can have some.
                    if (!last && list.Children[index] is YamlScalarNode { Value: { } name } && name == names[i + 1])
                    {
                        list.Children[index] = new YamlMappingNode(name, new YamlScalarNode("null"));
                        problems.MarkOverride(list.Children[index]);
                    }

                    list.Children[index] = last ? value : list.Children[index];
                    at = list.Children[index];
                    break;
                default:
                    var above = string.Join('.', names[..i]);
                    problems.AddOverride(path, at is YamlSequenceNode { Children.Count: var count }
                        ? $"{Section.Quoted(names[i])} is no place in {above}, a list of {count}. Write {(count > 0 ? $"a number from 0 to {count - 1}, or " : "")}the whole list."
                        : $"{above} is {Section.Text(at)}, without keys of its own. Set {above} itself.");
                    return;
            }
        }
    }

    private static YamlNode Below(YamlMappingNode mapping, string name, YamlNode? value, ProblemList problems)
    {
        var key = mapping.Children.Keys.FirstOrDefault(child => child is YamlScalarNode scalar && scalar.Value == name);
        if (key is null)
        {
            key = new YamlScalarNode(name);
            problems.MarkOverride(key);
        }

        if (value is null && (!mapping.Children.TryGetValue(key, out var child) || Section.IsNull(child)))
        {
            value = new YamlMappingNode();
            problems.MarkOverride(value);
        }

        if (value is not null)
        {
            mapping.Children[key] = value;
        }

        return mapping.Children[key];
    }
}
