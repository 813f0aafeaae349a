using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>model</c>.</summary>
internal static class ModelSection
{
    public static ModelOptions Read(Section model)
    {
        var options = new ModelOptions { From = model.Text("from"), Init = ReadInit(model.Below("init", "weights: he")), Layers = ReadLayers(model) };
        if (options.From is { Length: 0 })
        {
            model.Problems.Add(model.Find("from"), model.KeyOf("from"), "'' names no file. Write the path of a .safetensors file, or remove it.");
        }

        model.RefuseUnknown();
        return options;
    }

    private static InitOptions ReadInit(Section init)
    {
        var bias = 0.0;
        if (init.Find("bias") is { } node and not YamlScalarNode { Value: "zeros" })
        {
            bias = init.Number(node, init.KeyOf("bias"), 0, static _ => true, "zeros, or a number");
        }

        var weights = ReadWeights(init);
        init.RefuseUnknown();
        return new InitOptions { Weights = weights ?? new WeightOptions(WeightKind.He), Bias = bias };
    }

    private static WeightOptions? ReadWeights(Section init)
    {
        var key = init.KeyOf("weights");
        if (init.Find("weights") is not YamlMappingNode { Children: [{ Key: var name, Value: var scale }] } scaled)
        {
            var kind = init.Choice("weights", WeightKind.He);
            if (TakesScale(kind))
            {
                init.Problems.Add(init.Find("weights"), key, $"{Names.Kebab(kind)} needs a scale. Write weights: {{ {Names.Kebab(kind)}: 0.01 }}.");
            }

            return new WeightOptions(kind);
        }

        if (init.Choice<WeightKind>(name, key) is not { } withScale)
        {
            return null;
        }

        if (!TakesScale(withScale))
        {
            init.Problems.Add(scaled, key, $"{Names.Kebab(withScale)} takes no scale. Write weights: {Names.Kebab(withScale)}.");
            return null;
        }

        return new WeightOptions(withScale, scale switch
        {
            YamlScalarNode { Value: "small" } => WeightOptions.Small,
            YamlScalarNode { Value: "large" } => WeightOptions.Large,
            _ => init.Number(scale, key, WeightOptions.Small, static value => value > 0, "a number above 0, small or large"),
        });
    }

    private static bool TakesScale(WeightKind kind) => kind is WeightKind.Normal or WeightKind.Uniform;

    private static ValueList<LayerOptions> ReadLayers(Section model)
    {
        var node = model.Find("layers");
        if (model.IsBroken)
        {
            return [];
        }

        var layers = LayerReader.ReadList(node, model.KeyOf("layers"), model.Node, model.Problems);
        if (layers is [.., not LinearOptions and not CustomLayerOptions] && node is YamlSequenceNode list && layers.Count == list.Children.Count)
        {
            model.Problems.Add(
                list.Children[^1],
                model.KeyOf("layers"),
                "the last layer must be linear: its outputs are the scores that the loss reads. Write - linear: with the number of classes, or 1, at the end; cross-entropy holds the softmax already.");
        }

        return layers;
    }
}
