using DistributedTrainer.Data;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Losses;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>loss</c>: a name, <c>{ name: { … } }</c>, or <c>{ kind: name, … }</c>.</summary>
internal static class LossSection
{
    private static readonly KindKeys<LossKind> Owners = new(
        ("label-smoothing", [LossKind.CrossEntropy]),
        ("delta", [LossKind.Huber]));

    /// <summary>The loss; null: none is named, and only the data shows the task.</summary>
    public static LossOptions? Read(Section root, DataOptions data)
    {
        var fallback = (data.Task ?? EmbeddedTask(data.Source)) is { } task ? LossOptions.DefaultFor(task) : null;
        if (root.Find("loss") is not { } node)
        {
            return fallback;
        }

        var (name, values) = Open(root, node);
        if (name is null)
        {
            return fallback;
        }

        if (name is YamlScalarNode { Value: "zero-one" })
        {
            root.Problems.Add(name, "loss", "zero-one has a gradient of zero everywhere, so nothing can be trained with it. Write cross-entropy; the accuracy is reported anyway.");
            return fallback;
        }

        if (name is YamlScalarNode { Value: { } text } && ExtensionRegistry.FindLoss(text) is { } extension)
        {
            return ReadExtension(extension, name, values, data) ?? fallback;
        }

        if (root.Choice<LossKind>(name, "loss", [], [.. ExtensionRegistry.LossNames]) is not { } kind)
        {
            return fallback;
        }

        Owners.RefuseForeign(values, kind);
        var loss = new LossOptions(
            kind,
            kind == LossKind.CrossEntropy ? values.Number("label-smoothing", 0, static value => value is >= 0 and < 1, "a share from 0 to below 1") : 0,
            kind == LossKind.Huber ? values.Number("delta", 1, static value => value > 0, "a number above 0") : 1);
        return Finish(loss, name, values, data);
    }

    private static LossOptions Finish(LossOptions loss, YamlNode name, Section values, DataOptions data)
    {
        loss = loss with { ClassWeights = ReadClassWeights(values, loss) };
        values.RefuseUnknown();
        if (data.Task is { } given && !Fits(loss, given))
        {
            values.Problems.Add(name, "loss", $"{loss.Name} does not fit data.task: {Names.Kebab(given)}. Write {Names.Kebab(LossOptions.DefaultFor(given).Kind)}.");
        }

        return loss;
    }

    private static LossOptions? ReadExtension(ExtensionKind kind, YamlNode name, Section values, DataOptions data)
    {
        if (ExtensionReader.Read(kind, values, null, name) is not CustomLoss loss)
        {
            return null;
        }

        return Finish(loss, name, values, data);
    }

    private static ClassWeightOptions? ReadClassWeights(Section values, LossOptions loss)
    {
        const string Name = "class-weights";
        if ((NeedsNumbers(loss.Kind) ? values.FindForeign(Name) : values.Find(Name)) is not { } node)
        {
            return null;
        }

        if (NeedsNumbers(loss.Kind))
        {
            values.Problems.Add(node, values.KeyOf(Name), $"{loss.Name} compares with numbers, which have no classes. Remove it.");
            return null;
        }

        if (node is YamlScalarNode { Value: "balanced" })
        {
            return new ClassWeightOptions();
        }

        if (node is not YamlMappingNode { Children.Count: > 0 } weights)
        {
            values.Problems.Add(node, values.KeyOf(Name), $"{Section.Text(node)} is not possible. Write balanced, or a weight for each class, such as {Name}: {{ yes: 10, no: 1 }}.");
            return null;
        }

        return new ClassWeightOptions
        {
            Weights = [.. weights.Children.Select(pair => new ClassWeight(
                (pair.Key as YamlScalarNode)?.Value ?? "",
                values.Number(pair.Value, $"{values.KeyOf(Name)}.{(pair.Key as YamlScalarNode)?.Value}", 1, static weight => weight > 0, "a weight above 0")))],
        };
    }

    /// <summary>Whether a loss compares with numbers only.</summary>
    public static bool NeedsNumbers(LossKind kind) => kind is LossKind.MeanSquaredError or LossKind.MeanAbsoluteError or LossKind.Huber;

    private static (YamlNode? Name, Section Values) Open(Section root, YamlNode node)
    {
        if (node is YamlMappingNode { Children: [{ Key: YamlScalarNode { Value: not "kind" } only, Value: var argument }] } && !Owners.Knows(only.Value) && only.Value != "class-weights")
        {
            if (argument is not YamlMappingNode && !Section.IsNull(argument))
            {
                root.Problems.Add(argument, $"loss.{only.Value}", $"{Section.Text(argument)} is not a section. Write the values with their names, such as loss: {{ cross-entropy: {{ label-smoothing: 0.1 }} }}.");
            }

            return (only, new Section(argument as YamlMappingNode, $"loss.{only.Value}", root.Problems));
        }

        if (node is not YamlMappingNode mapping)
        {
            return (node, new Section(null, "loss", root.Problems));
        }

        var section = new Section(mapping, "loss", root.Problems);
        var name = section.Find("kind");
        if (name is null)
        {
            root.Problems.Add(node, "loss.kind", "is missing. Write the loss's name, such as loss: { kind: cross-entropy, label-smoothing: 0.1 }.");
        }

        return (name, section);
    }

    // A Kullback-Leibler divergence compares with classes as well as with shares.
    private static bool Fits(LossOptions loss, TargetTask task) => loss.Kind == LossKind.KlDivergence || NeedsNumbers(loss.Kind) == (task == TargetTask.Regression);

    private static TargetTask? EmbeddedTask(string source) =>
        source == "diabetes" ? TargetTask.Regression : DatasetReader.EmbeddedNames.Contains(source) ? TargetTask.Classification : null;
}
