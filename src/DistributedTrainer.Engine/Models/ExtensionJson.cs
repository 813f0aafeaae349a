using System.Text.Json.Nodes;
using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Engine.Models;

/// <summary>Layers and losses of extensions as JSON: the name, and each parameter of the constructor.</summary>
internal static class ExtensionJson
{
    public static JsonObject Write(string key, object part)
    {
        var kind = ExtensionRegistry.KindOf(part.GetType());
        var json = new JsonObject { [key] = kind.Name };
        foreach (var parameter in kind.Parameters)
        {
            json[parameter.Name] = parameter.Of(part) switch
            {
                int number => number,
                long number => number,
                float number => number,
                double number => number,
                bool flag => flag,
                var value => ExtensionParameter.Text(value),
            };
        }

        return json;
    }

    public static object Read(ExtensionKind kind, JsonFields fields)
    {
        try
        {
            return kind.Create(parameter => ValueOf(parameter, fields));
        }
        catch (ArgumentException problem)
        {
            throw fields.Problem($"{kind.Name}: {problem.Message}");
        }
    }

    private static object ValueOf(ExtensionParameter parameter, JsonFields fields) => parameter.Type switch
    {
        var type when type == typeof(int) => fields.Int(parameter.Name),
        var type when type == typeof(long) => fields.Int64(parameter.Name),
        var type when type == typeof(float) => fields.Float(parameter.Name),
        var type when type == typeof(double) => fields.Double(parameter.Name),
        var type when type == typeof(bool) => fields.Bool(parameter.Name),
        { IsEnum: true } => ChoiceOf(parameter, fields),
        _ => fields.Text(parameter.Name),
    };

    private static Enum ChoiceOf(ExtensionParameter parameter, JsonFields fields)
    {
        var values = Enum.GetValues(parameter.Type).Cast<Enum>().ToArray();
        var name = fields.Choice(parameter.Name, Array.ConvertAll(values, ExtensionParameter.Text));
        return Array.Find(values, value => ExtensionParameter.Text(value) == name)!;
    }
}
