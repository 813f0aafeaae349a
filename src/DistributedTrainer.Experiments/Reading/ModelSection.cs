using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>model</c>.</summary>
internal static class ModelSection
{
    private static readonly string[] Built = ["linear", "batch-norm", "relu", "tanh", "sigmoid", "dropout"];
    private static readonly string[] Planned =
        ["leaky-relu", "elu", "softmax", "log-softmax", "softplus", "gelu", "silu", "conv2d", "max-pool2d", "avg-pool2d", "global-avg-pool2d", "flatten", "layer-norm", "residual"];

    public static ModelOptions Read(Section model)
    {
        var init = model.Below("init");
        var options = new ModelOptions { Init = ReadInit(init), Layers = ReadLayers(model) };
        init.RefuseUnknown();
        model.NotBuilt("from");
        model.RefuseUnknown();
        return options;
    }

    private static InitOptions ReadInit(Section init)
    {
        var bias = init.Choice("bias", BiasKind.Zeros);
        if (init.Find("weights") is not YamlMappingNode { Children.Count: 1 } scaled)
        {
            var kind = init.Choice("weights", WeightKind.He);
            if (kind is WeightKind.Normal or WeightKind.Uniform)
            {
                init.Problems.Add(init.Find("weights"), init.KeyOf("weights"), $"{Names.Kebab(kind)} needs a scale. Write weights: {{ {Names.Kebab(kind)}: 0.01 }}.");
            }

            return new InitOptions { Weights = new WeightOptions(kind), Bias = bias };
        }

        var (name, scale) = scaled.Children.First();
        var withScale = init.Choice(name, init.KeyOf("weights"), WeightKind.He);
        if (withScale is not (WeightKind.Normal or WeightKind.Uniform))
        {
            init.Problems.Add(scaled, init.KeyOf("weights"), $"{Names.Kebab(withScale)} takes no scale. Write weights: {Names.Kebab(withScale)}.");
            return new InitOptions { Bias = bias };
        }

        return new InitOptions
        {
            Weights = new WeightOptions(withScale, init.Number(scale, init.KeyOf("weights"), 0.01, static value => value > 0, "a number above 0")),
            Bias = bias,
        };
    }

    private static ValueList<LayerOptions> ReadLayers(Section model)
    {
        if (model.Find("layers") is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            model.Problems.Add(model.Find("layers") ?? model.Node, model.KeyOf("layers"), "a list of layers is needed. Write layers: [ linear: 10 ].");
            return [];
        }

        var layers = new List<LayerOptions>();
        for (var i = 0; i < list.Children.Count; i++)
        {
            if (ReadLayer(model, list.Children[i], $"{model.KeyOf("layers")}.{i}") is { } layer)
            {
                layers.Add(layer);
            }
        }

        if (layers is [.., not LinearOptions] && layers.Count == list.Children.Count)
        {
            model.Problems.Add(list.Children[^1], model.KeyOf("layers"), "the last layer must be linear: its outputs are the scores that the loss reads.");
        }

        return ValueList.Create<LayerOptions>(layers.ToArray());
    }

    private static LayerOptions? ReadLayer(Section model, YamlNode node, string key)
    {
        var (name, argument) = node is YamlMappingNode { Children.Count: 1 } single ? (single.Children.First().Key, single.Children.First().Value) : (node, null);
        if (name is not YamlScalarNode { Value: { } kind })
        {
            model.Problems.Add(node, key, "a layer is a name, or one name with its values, such as - linear: 10.");
            return null;
        }

        if (Section.IsNull(argument))
        {
            argument = null;
        }

        var values = new Section(argument as YamlMappingNode ?? [], $"{key}.{kind}", model.Problems);
        LayerOptions? layer = kind switch
        {
            "linear" => ReadLinear(values, node, argument),
            "batch-norm" => ReadBatchNorm(values, argument),
            "relu" => Plain(values, argument, ActivationKind.Relu),
            "tanh" => Plain(values, argument, ActivationKind.Tanh),
            "sigmoid" => Plain(values, argument, ActivationKind.Sigmoid),
            "dropout" when argument is not null and not YamlMappingNode =>
                new DropoutOptions(values.Number(argument, values.Path, 0, static rate => rate is >= 0 and < 1, "a rate from 0 to below 1")),
            _ => null,
        };
        values.RefuseUnknown();
        if (layer is null)
        {
            model.Problems.Add(node, key, kind == "dropout" ? "dropout needs a rate. Write dropout: 0.3."
                : Planned.Contains(kind) ? $"{kind} is not built yet. Built are {string.Join(", ", Built)}."
                : $"there is no layer '{kind}'. {Names.Suggest(kind, Built.Concat(Planned))}");
        }

        return layer;
    }

    private static LinearOptions ReadLinear(Section values, YamlNode node, YamlNode? argument)
    {
        if (argument is YamlScalarNode)
        {
            return new LinearOptions((int)values.Integer(argument, values.Path, 1, 1));
        }

        if (values.Find("outputs") is null)
        {
            values.Problems.Add(argument ?? node, values.Path, "the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.");
        }

        return new LinearOptions((int)values.Integer("outputs", 1, 1), values.Flag("bias", true));
    }

    private static BatchNormOptions ReadBatchNorm(Section values, YamlNode? argument)
    {
        if (argument is not (null or YamlMappingNode))
        {
            values.Problems.Add(argument, values.Path, "batch-norm takes a section or nothing. Write batch-norm: { momentum: 0.1, epsilon: 1.0e-5, sync: true }.");
        }

        return new BatchNormOptions(
            values.Number("momentum", 0.1, static value => value is >= 0 and <= 1, "a number from 0 to 1"),
            values.Number("epsilon", 1e-5, static value => value > 0, "a number above 0"),
            values.Flag("sync", true));
    }

    private static ActivationOptions Plain(Section values, YamlNode? argument, ActivationKind kind)
    {
        if (argument is not null)
        {
            values.Problems.Add(argument, values.Path, $"{Names.Kebab(kind)} takes no value.");
        }

        return new ActivationOptions(kind);
    }
}
