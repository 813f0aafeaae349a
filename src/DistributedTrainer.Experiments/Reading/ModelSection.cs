using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>model</c>.</summary>
internal static class ModelSection
{
    private const int MostOutputs = 1_000_000;
    private static readonly string[] Built = ["linear", "batch-norm", "relu", "tanh", "sigmoid", "dropout"];
    private static readonly string[] Planned =
        ["leaky-relu", "elu", "softmax", "log-softmax", "softplus", "gelu", "silu", "conv2d", "max-pool2d", "avg-pool2d", "global-avg-pool2d", "flatten", "layer-norm", "residual"];

    public static ModelOptions Read(Section model)
    {
        var init = model.Below("init", "weights: he");
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
        if (init.Choice<WeightKind>(name, init.KeyOf("weights")) is not { } withScale)
        {
            return new InitOptions { Bias = bias };
        }

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
        var node = model.Find("layers");
        if (node is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            if (!model.IsBroken)
            {
                var what = node switch { null => "is missing", YamlSequenceNode => "the list is empty", _ => $"{Section.Text(node)} is not a list" };
                model.Problems.Add(node ?? model.Node, model.KeyOf("layers"), $"{what}. Write the layers one below the other, each after a dash, such as - linear: 10.");
            }

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
            model.Problems.Add(list.Children[^1], model.KeyOf("layers"), "the last layer must be linear: its outputs are the scores that the loss reads. Write - linear: with the number of classes, or 1, at the end; cross-entropy holds the softmax already.");
        }

        return ValueList.Create<LayerOptions>(layers.ToArray());
    }

    private static LayerOptions? ReadLayer(Section model, YamlNode node, string key)
    {
        var (name, argument) = node is YamlMappingNode { Children.Count: 1 } single ? (single.Children.First().Key, single.Children.First().Value) : (node, null);
        if (name is not YamlScalarNode { Value: { } kind })
        {
            model.Problems.Add(node, key, node is YamlMappingNode { Children: [{ Key: YamlScalarNode first }, { Key: YamlScalarNode second }, ..] }
                ? $"{second.Value} stands beside {first.Value}. Indent it to stand below, or write - {first.Value}: {{ {second.Value}: … }}; a layer of its own needs its own dash."
                : "a layer is a name, or one name with its values, such as - linear: 10.");
            return null;
        }

        if (Section.IsNull(argument))
        {
            argument = null;
        }

        var values = new Section(argument as YamlMappingNode, $"{key}.{kind}", model.Problems);
        LayerOptions? layer = kind switch
        {
            "linear" => ReadLinear(values, node, argument),
            "batch-norm" => ReadBatchNorm(values, argument),
            "relu" => Plain(values, argument, ActivationKind.Relu),
            "tanh" => Plain(values, argument, ActivationKind.Tanh),
            "sigmoid" => Plain(values, argument, ActivationKind.Sigmoid),
            "dropout" => ReadDropout(values, node, argument),
            _ => null,
        };
        if (layer is not null)
        {
            values.RefuseUnknown();
        }
        else
        {
            model.Problems.Add(node, key, Planned.Contains(kind) ? $"{kind} is not built yet. Built are {string.Join(", ", Built)}."
                : $"there is no layer '{kind}'. {Names.Suggest(kind, [.. Built, .. Planned])}");
        }

        return layer;
    }

    private static LinearOptions ReadLinear(Section values, YamlNode node, YamlNode? argument)
    {
        if (argument is YamlScalarNode)
        {
            return new LinearOptions((int)values.Integer(argument, values.Path, 1, 1, MostOutputs));
        }

        if (values.Find("outputs") is null)
        {
            values.Problems.Add(argument ?? node, values.Path, "the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.");
        }

        return new LinearOptions((int)values.Integer("outputs", 1, 1, MostOutputs), values.Flag("bias", true));
    }

    private static DropoutOptions ReadDropout(Section values, YamlNode node, YamlNode? argument)
    {
        var rate = argument is null or YamlMappingNode ? values.Find("rate") : argument;
        if (rate is null)
        {
            values.Problems.Add(argument ?? node, values.Path, "the rate is missing. Write dropout: 0.3.");
            return new DropoutOptions(0);
        }

        return new DropoutOptions(values.Number(rate, values.Path, 0, static rate => rate is >= 0 and < 1, "a rate from 0 to below 1"));
    }

    private static BatchNormOptions ReadBatchNorm(Section values, YamlNode? argument)
    {
        if (argument is not (null or YamlMappingNode))
        {
            values.Problems.Add(argument, values.Path, "batch-norm takes keys or nothing. Write batch-norm: { momentum: 0.1, epsilon: 1.0e-5, sync: true }.");
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
            values.Problems.Add(argument, values.Path, $"{Names.Kebab(kind)} takes no value. Write - {Names.Kebab(kind)} alone.");
            foreach (var (key, _) in (argument as YamlMappingNode ?? []).Children)
            {
                values.Find((key as YamlScalarNode)?.Value ?? "");
            }
        }

        return new ActivationOptions(kind);
    }
}
