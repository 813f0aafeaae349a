using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads lists of layers.</summary>
internal static class LayerReader
{
    // More would not fit into memory; so large a number is a slip.
    private const int MostOutputs = 1_000_000;
    private const int MostPixels = 1000;

    private static readonly string[] Known =
        ["linear", "batch-norm", "layer-norm", "dropout", "conv2d", "max-pool2d", "avg-pool2d", "global-avg-pool2d", "flatten", "residual", .. Names.All<ActivationKind>()];

    /// <param name="node">The list.</param>
    /// <param name="key">Its dotted path.</param>
    /// <param name="above">Blamed where there is no list.</param>
    /// <param name="problems">Where problems go.</param>
    public static ValueList<LayerOptions> ReadList(YamlNode? node, string key, YamlNode? above, ProblemList problems)
    {
        if (node is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            var what = node switch { null => "is missing", YamlSequenceNode => "the list is empty", _ => $"{Section.Text(node)} is not a list" };
            problems.Add(node ?? above, key, $"{what}. Write the layers one below the other, each after a dash, such as - linear: 10.");
            return [];
        }

        var layers = new List<LayerOptions>();
        for (var i = 0; i < list.Children.Count; i++)
        {
            if (NamedValue.Read(list.Children[i], $"{key}.{i}", "a layer", "linear: 10", problems) is { } item && ReadLayer(item) is { } layer)
            {
                layers.Add(layer);
            }
        }

        return [.. layers];
    }

    private static LayerOptions? ReadLayer(NamedValue item)
    {
        LayerOptions? layer = item.Name switch
        {
            "linear" => new LinearOptions(item.MainInteger("outputs", "the number of outputs is missing. Write linear: 10, or linear: { outputs: 10 }.", MostOutputs), item.Values.Flag("bias", true)),
            "batch-norm" => ReadBatchNorm(item),
            "layer-norm" => ReadLayerNorm(item),
            "dropout" => ReadDropout(item),
            "conv2d" => ReadConvolution(item),
            "max-pool2d" => ReadPool(item, static (kernel, stride) => new MaxPool2dOptions(kernel, stride)),
            "avg-pool2d" => ReadPool(item, static (kernel, stride) => new AvgPool2dOptions(kernel, stride)),
            "global-avg-pool2d" => Plain(item, new GlobalAvgPool2dOptions()),
            "flatten" => Plain(item, new FlattenOptions()),
            "residual" => ReadResidual(item),
            "leaky-relu" => ReadActivation(item, ActivationKind.LeakyRelu, "slope", ActivationOptions.DefaultSlope, static slope => slope is >= 0 and < 1, "a slope from 0 to below 1"),
            "elu" => ReadActivation(item, ActivationKind.Elu, "alpha", ActivationOptions.DefaultElu, static alpha => alpha > 0, "a number above 0"),
            _ => (LayerOptions?)ReadPlainActivation(item) ?? ReadExtension(item),
        };
        if (layer is null)
        {
            if (ExtensionRegistry.FindLayer(item.Name) is null)
            {
                item.Values.Problems.Add(item.Node, item.Key, $"there is no layer {Section.Quoted(item.Name)}. {Names.Suggest(item.Name, [.. Known, .. ExtensionRegistry.LayerNames])}");
            }
        }
        else if (item.Values.KnowsKeys)
        {
            item.Values.RefuseUnknown();
        }

        return layer;
    }

    private static CustomLayerOptions? ReadExtension(NamedValue item) =>
        ExtensionRegistry.FindLayer(item.Name) is { } kind && ExtensionReader.Read(kind, item.Values, item.Argument is YamlMappingNode ? null : item.Argument, item.Node) is CustomLayer layer
            ? new CustomLayerOptions(layer)
            : null;

    private static BatchNormOptions ReadBatchNorm(NamedValue item)
    {
        item.TakesKeys("momentum: 0.1, epsilon: 1.0e-5, sync: true");
        return new BatchNormOptions(
            item.Values.Number("momentum", 0.1, static value => value is >= 0 and <= 1, "a number from 0 to 1"),
            ReadEpsilon(item),
            item.Values.Flag("sync", true));
    }

    private static LayerNormOptions ReadLayerNorm(NamedValue item)
    {
        item.TakesKeys("epsilon: 1.0e-5");
        return new LayerNormOptions(ReadEpsilon(item));
    }

    private static double ReadEpsilon(NamedValue item) => item.Values.Number("epsilon", 1e-5, static value => value > 0, "a number above 0");

    private static DropoutOptions ReadDropout(NamedValue item)
    {
        var (rate, key) = item.Main("rate");
        if (rate is null)
        {
            item.Missing("the rate is missing. Write dropout: 0.3.");
            return new DropoutOptions(0);
        }

        return new DropoutOptions(item.Values.Number(rate, key, 0, static value => value is >= 0 and < 1, "a rate from 0 to below 1"));
    }

    private static Conv2dOptions ReadConvolution(NamedValue item)
    {
        item.TakesKeys("outputs: 32, kernel: 3, padding: 1");
        var values = item.Values;
        if (item.Argument is null or YamlMappingNode && (values.Find("outputs") is null || values.Find("kernel") is null))
        {
            item.Missing("outputs and kernel are needed. Write conv2d: { outputs: 32, kernel: 3, padding: 1 }.");
        }

        return new Conv2dOptions(
            (int)values.Integer("outputs", 1, 1, MostOutputs),
            (int)values.Integer("kernel", 1, 1, MostPixels),
            (int)values.Integer("stride", 1, 1, MostPixels),
            (int)values.Integer("padding", 0, 0, MostPixels),
            values.Flag("bias", true));
    }

    private static LayerOptions ReadPool(NamedValue item, Func<int, int, LayerOptions> make)
    {
        var kernel = item.MainInteger("kernel", $"the size of the window is missing. Write {item.Name}: 2, or {item.Name}: {{ kernel: 3, stride: 2 }}.", MostPixels);
        return make(kernel, (int)item.Values.Integer("stride", kernel, 1, MostPixels));
    }

    private static ResidualOptions ReadResidual(NamedValue item)
    {
        var (list, key) = item.Main("layers");
        var layers = ReadList(list, key, item.Node, item.Values.Problems);
        var shortcut = item.Values.Find("shortcut") is { } node and not YamlSequenceNode { Children.Count: 0 }
            ? ReadList(node, item.Values.KeyOf("shortcut"), item.Node, item.Values.Problems)
            : [];
        return new ResidualOptions(layers, shortcut);
    }

    private static ActivationOptions ReadActivation(
        NamedValue item, ActivationKind kind, string name, double fallback, Func<double, bool> possible, string range)
    {
        var (value, key) = item.Main(name);
        return new ActivationOptions(kind, value is null ? fallback : item.Values.Number(value, key, fallback, possible, range));
    }

    private static ActivationOptions? ReadPlainActivation(NamedValue item)
    {
        foreach (var kind in Enum.GetValues<ActivationKind>())
        {
            if (Names.Kebab(kind) == item.Name)
            {
                item.TakesNothing();
                return new ActivationOptions(kind);
            }
        }

        return null;
    }

    private static LayerOptions Plain(NamedValue item, LayerOptions layer)
    {
        item.TakesNothing();
        return layer;
    }
}
