using System.Text.Json.Nodes;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// A model's definition as JSON, with the kinds named as in experiments:
/// <code>{"input":[4],"weights":{"kind":"he","scale":0},"layers":[{"kind":"linear","outputs":3,"bias":true},{"kind":"relu"}]}</code>
/// Every field is written, and all are needed to read; what is not known is refused by name.
/// </summary>
internal static class DefinitionJson
{
    private static readonly Dictionary<string, InitialWeightsKind> Weights = ByName<InitialWeightsKind>();
    private static readonly Dictionary<string, Activation> Activations = ByName<Activation>();

    private static readonly Dictionary<string, Func<JsonFields, LayerDefinition>> Readers = new()
    {
        ["linear"] = static fields => new LinearDefinition(fields.Int("outputs"), fields.Bool("bias")),
        ["conv2d"] = static fields => new Conv2dDefinition(fields.Int("outputs"), fields.Int("kernel"), fields.Int("stride"), fields.Int("padding"), fields.Bool("bias")),
        ["max-pool2d"] = static fields => new MaxPool2dDefinition(fields.Int("kernel"), fields.Int("stride")),
        ["avg-pool2d"] = static fields => new AvgPool2dDefinition(fields.Int("kernel"), fields.Int("stride")),
        ["global-avg-pool2d"] = static _ => new GlobalAvgPool2dDefinition(),
        ["flatten"] = static _ => new FlattenDefinition(),
        ["batch-norm"] = static fields => new BatchNormDefinition(fields.Float("momentum"), fields.Float("epsilon"), fields.Bool("sync")),
        ["layer-norm"] = static fields => new LayerNormDefinition(fields.Float("epsilon")),
        ["dropout"] = static fields => new DropoutDefinition(fields.Float("rate")),
        ["residual"] = static fields => new ResidualDefinition(ReadLayers(fields, "body"), fields.Has("shortcut") ? ReadLayers(fields, "shortcut") : null),
    };

    /// <summary>The kinds that can be read.</summary>
    public static IEnumerable<string> Kinds => Readers.Keys.Concat(Activations.Keys);

    public static JsonObject Write(ModelDefinition definition)
    {
        var input = new JsonArray();
        for (var i = 0; i < definition.Input.Rank; i++)
        {
            input.Add(definition.Input[i]);
        }

        return new JsonObject
        {
            ["input"] = input,
            ["weights"] = new JsonObject { ["kind"] = Name(definition.Weights.Kind), ["scale"] = definition.Weights.Scale },
            ["layers"] = Write(definition.Layers),
        };
    }

    /// <exception cref="InvalidDataException">Names what is wrong, and where.</exception>
    public static ModelDefinition Read(JsonFields fields)
    {
        var (input, weights, layers) = (fields.Shape("input"), fields.Object("weights"), ReadLayers(fields, "layers"));
        var kind = Weights[weights.Choice("kind", [.. Weights.Keys])];
        var definition = new ModelDefinition(input, layers, new InitialWeights(kind, weights.Double("scale")));
        weights.Close();
        fields.Close();
        return definition;
    }

    private static JsonArray Write(IReadOnlyList<LayerDefinition> layers) => new([.. layers.Select(Write)]);

    private static JsonObject Write(LayerDefinition layer) => layer switch
    {
        LinearDefinition linear => new() { ["kind"] = "linear", ["outputs"] = linear.Outputs, ["bias"] = linear.Bias },
        Conv2dDefinition conv => new()
        {
            ["kind"] = "conv2d",
            ["outputs"] = conv.Outputs,
            ["kernel"] = conv.Kernel,
            ["stride"] = conv.Stride,
            ["padding"] = conv.Padding,
            ["bias"] = conv.Bias,
        },
        MaxPool2dDefinition pool => new() { ["kind"] = "max-pool2d", ["kernel"] = pool.Kernel, ["stride"] = pool.Stride },
        AvgPool2dDefinition pool => new() { ["kind"] = "avg-pool2d", ["kernel"] = pool.Kernel, ["stride"] = pool.Stride },
        GlobalAvgPool2dDefinition => new() { ["kind"] = "global-avg-pool2d" },
        FlattenDefinition => new() { ["kind"] = "flatten" },
        BatchNormDefinition norm => new() { ["kind"] = "batch-norm", ["momentum"] = norm.Momentum, ["epsilon"] = norm.Epsilon, ["sync"] = norm.Sync },
        LayerNormDefinition norm => new() { ["kind"] = "layer-norm", ["epsilon"] = norm.Epsilon },
        DropoutDefinition dropout => new() { ["kind"] = "dropout", ["rate"] = dropout.Rate },
        ActivationDefinition { Function: Activation.LeakyRelu } leaky => new() { ["kind"] = Name(leaky.Function), ["slope"] = leaky.Slope },
        ActivationDefinition { Function: Activation.Elu } elu => new() { ["kind"] = Name(elu.Function), ["alpha"] = elu.Alpha },
        ActivationDefinition activation => new() { ["kind"] = Name(activation.Function) },
        ResidualDefinition { Shortcut: null } block => new() { ["kind"] = "residual", ["body"] = Write(block.Layers) },
        ResidualDefinition block => new() { ["kind"] = "residual", ["body"] = Write(block.Layers), ["shortcut"] = Write(block.Shortcut) },
        CustomLayer custom => ExtensionJson.Write("kind", custom),
        _ => throw new NotSupportedException($"network: a layer of type {layer.GetType().Name} has no written form, so the network cannot be saved."),
    };

    private static List<LayerDefinition> ReadLayers(JsonFields fields, string key) => fields.Objects(key).ConvertAll(ReadLayer);

    private static LayerDefinition ReadLayer(JsonFields fields)
    {
        var kind = fields.Text("kind");
        var layer = Readers.TryGetValue(kind, out var read) ? read(fields)
            : Activations.TryGetValue(kind, out var function) ? ReadActivation(function, fields)
            : ExtensionRegistry.FindLayer(kind) is { } custom ? (LayerDefinition)ExtensionJson.Read(custom, fields)
            : throw fields.Problem($"the kind {kind} is not known to this version of the library. Known are {string.Join(", ", Kinds.Concat(ExtensionRegistry.LayerNames))}. Was it of an extension? Load that first.");
        fields.Close();
        return layer;
    }

    private static ActivationDefinition ReadActivation(Activation function, JsonFields fields) => function switch
    {
        Activation.LeakyRelu => new ActivationDefinition(function, Slope: fields.Float("slope")),
        Activation.Elu => new ActivationDefinition(function, Alpha: fields.Float("alpha")),
        _ => new ActivationDefinition(function),
    };

    private static Dictionary<string, T> ByName<T>()
        where T : struct, Enum => Enum.GetValues<T>().ToDictionary(Name);

    /// <summary>LeakyRelu → leaky-relu.</summary>
    private static string Name<T>(T value)
        where T : struct, Enum =>
        string.Concat(value.ToString().Select(static (letter, i) => char.IsUpper(letter) && i > 0 ? $"-{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));
}
