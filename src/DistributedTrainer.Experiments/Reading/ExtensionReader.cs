using DistributedTrainer.Engine.Extensions;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads layers and losses of extensions: their keys are the parameters of their constructors.</summary>
internal static class ExtensionReader
{
    // Whatever a constructor takes beyond this it may check itself.
    private const string AnyNumber = "a number";

    /// <summary>Makes one; null: something is wrong, and problems say what.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="values">Its keys.</param>
    /// <param name="single">What stands alone behind the name, for the only parameter; null: nothing.</param>
    /// <param name="blamed">Blamed where the constructor refuses the values.</param>
    public static object? Read(ExtensionKind kind, Section values, YamlNode? single, YamlNode blamed)
    {
        var before = values.Problems.Count;
        if (single is not null && kind.Parameters.Count != 1)
        {
            values.Problems.Add(single, values.Path, kind.Parameters.Count == 0
                ? $"{kind.Name} takes no value. Write {kind.Name} alone."
                : $"{Section.Text(single)} is not possible. {kind.Name} takes keys: write {kind.Name}: {{ {string.Join(", ", kind.Parameters.Select(static parameter => $"{parameter.Name}: …"))} }}.");
            return null;
        }

        var given = kind.Parameters.ToDictionary(static parameter => parameter, parameter => ValueOf(kind, parameter, values, single, blamed));
        if (values.Problems.Count > before)
        {
            return null;
        }

        try
        {
            return kind.Create(parameter => given[parameter]);
        }
        catch (ArgumentException problem)
        {
            values.Problems.Add(blamed, values.Path, problem.Message);
            return null;
        }
    }

    private static object? ValueOf(ExtensionKind kind, ExtensionParameter parameter, Section values, YamlNode? single, YamlNode blamed)
    {
        var (node, key) = single is null ? (values.Find(parameter.Name), values.KeyOf(parameter.Name)) : (single, values.Path);
        if (node is null)
        {
            if (!parameter.IsOptional)
            {
                values.Problems.Add(blamed, key, $"is missing: {kind.Name} needs it. Write {kind.Name}: {{ {parameter.Name}: … }}.");
            }

            return parameter.Default;
        }

        return parameter.Type switch
        {
            var type when type == typeof(int) => (int)values.Integer(node, key, 0, int.MinValue),
            var type when type == typeof(long) => values.Integer(node, key, 0, long.MinValue, long.MaxValue),
            var type when type == typeof(float) => (float)values.Number(node, key, 0, static _ => true, AnyNumber),
            var type when type == typeof(double) => values.Number(node, key, 0, static _ => true, AnyNumber),
            var type when type == typeof(bool) => Flag(values, node, key),
            { IsEnum: true } => Choice(parameter, values, node, key),
            _ => Text(values, node, key),
        };
    }

    private static bool Flag(Section values, YamlNode node, string key)
    {
        if (node is YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain or YamlDotNet.Core.ScalarStyle.Any, Value: "true" or "false" } scalar)
        {
            return scalar.Value == "true";
        }

        values.Problems.Add(node, key, $"{Section.Text(node)} is neither true nor false. Write one of them.");
        return false;
    }

    private static Enum? Choice(ExtensionParameter parameter, Section values, YamlNode node, string key)
    {
        var all = Enum.GetValues(parameter.Type).Cast<Enum>().ToArray();
        var text = (node as YamlScalarNode)?.Value ?? "";
        var found = Array.Find(all, value => ExtensionParameter.Text(value) == text);
        if (found is null)
        {
            values.Problems.Add(node, key, $"{Section.Text(node)} is unknown. {Names.Suggest(text, Array.ConvertAll(all, ExtensionParameter.Text))}");
        }

        return found;
    }

    private static string Text(Section values, YamlNode node, string key)
    {
        if (node is YamlScalarNode { Value: { } text })
        {
            return text;
        }

        values.Problems.Add(node, key, $"{Section.Text(node)} is not possible. Write a single text.");
        return "";
    }
}
