using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Experiments.Writing;

/// <summary>Layers and losses of extensions as YAML.</summary>
internal static class ExtensionText
{
    /// <summary>The keys with their values, as between braces; empty: there are none.</summary>
    public static string Keys(object part) => string.Join(
        ", ",
        ExtensionRegistry.KindOf(part.GetType()).Parameters.Select(parameter => $"{parameter.Name}: {(parameter.Of(part) is string text ? YamlValues.Quote(text) : ExtensionParameter.Text(parameter.Of(part)))}"));
}
