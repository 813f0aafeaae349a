using System.Text.Json;
using System.Text.Json.Nodes;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tests.Extensions;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>Saved networks: whole after loading, refused by name where something is not as it should be.</summary>
public sealed class NetworkFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dtrain-network").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_loaded_network_is_the_same_and_goes_on_the_same()
    {
        var (features, labels) = Sets.Clouds(60);
        var network = Sets.Mixed(seed: ulong.MaxValue);
        network.Fit(features, labels, new FitOptions { Epochs = 2, Loss = new CrossEntropyLoss(0.1f) });
        network.Save(In("a"));
        var loaded = Network.Load(In("a"));
        AssertBits.Equal(network.Parameters, loaded.Parameters, "parameters");
        AssertBits.Equal(network.Buffers, loaded.Buffers, "running statistics");
        Assert.Equal(0.1f, Assert.IsType<CrossEntropyLoss>(loaded.Loss).LabelSmoothing);
        Assert.Equal(network.Evaluate(features, labels).Loss, loaded.Evaluate(features, labels).Loss);
        network.Fit(features, labels, new FitOptions { Epochs = 1 });
        loaded.Fit(features, labels, new FitOptions { Epochs = 1 });
        AssertBits.Equal(network.Parameters, loaded.Parameters, "after another epoch");
        Assert.Equal([In("a")], Directory.GetFiles(_folder));
    }

    [Fact]
    public void Tensors_have_the_names_and_shapes_of_PyTorch()
    {
        Sets.Mixed().Save(In("a"));
        var (tensors, metadata) = SafeTensors.Read(File.ReadAllBytes(In("a")));
        Assert.Equal(
            ["0.weight 12x2", "0.bias 12", "1.weight 12", "1.bias 12", "4.weight 3x12", "4.bias 3", "1.running_mean 12", "1.running_var 12"],
            tensors.Select(static tensor => $"{tensor.Name} {tensor.Shape}"));
        Assert.Equal("pt", metadata["format"]);
    }

    [Fact]
    public void Every_kind_of_layer_comes_back()
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(4, 3, Stride: 1, Padding: 1, Bias: false),
            new BatchNormDefinition(0.2f, 1e-4f, Sync: false),
            .. Enum.GetValues<Activation>().Select(static function => new ActivationDefinition(function)),
            new ActivationDefinition(Activation.LeakyRelu, Slope: 0.3f),
            new ActivationDefinition(Activation.Elu, Alpha: 0.7f),
            new ResidualDefinition([new Conv2dDefinition(4, 1)]),
            new ResidualDefinition([new Conv2dDefinition(6, 1)], [new Conv2dDefinition(6, 1, Bias: false)]),
            new MaxPool2dDefinition(2, 1),
            new AvgPool2dDefinition(2),
            new GlobalAvgPool2dDefinition(),
            new FlattenDefinition(),
            new LayerNormDefinition(1e-3f),
            new DropoutDefinition(0.25f),
            new EngineTestLayer(0.1f, 7, EngineTestWay.Down, "own"),
            new LinearDefinition(2, Bias: false),
        ];
        var kinds = typeof(LayerDefinition).Assembly.GetTypes().Where(static type => !type.IsAbstract && type.IsSubclassOf(typeof(LayerDefinition)));
        Assert.Equal(kinds.Append(typeof(EngineTestLayer)).Select(static type => type.Name).Order(), layers.Select(static layer => layer.GetType().Name).Distinct().Order());

        var network = Network.Create(new Shape(1, 8, 8), 7, new InitialWeights(InitialWeightsKind.Normal, 0.1), layers);
        network.Save(In("a"));
        var loaded = Network.Load(In("a"));
        Assert.Equal(network.Definition.Weights, loaded.Definition.Weights);
        Assert.Equal(DefinitionJson.Write(network.Definition).ToJsonString(), DefinitionJson.Write(loaded.Definition).ToJsonString());
        foreach (var (expected, actual) in layers.Zip(loaded.Definition.Layers).Where(static pair => pair.First is not ResidualDefinition))
        {
            Assert.Equal(expected, actual);
        }

        AssertBits.Equal(network.Predict(Numbers.Normal(64, 3)), loaded.Predict(Numbers.Normal(64, 3)), "outputs");
    }

    public static TheoryData<string> LossNames => [.. TrainingLoss.Names];

    [Theory]
    [MemberData(nameof(LossNames))]
    public void Every_loss_comes_back(string name)
    {
        var loss = TrainingLoss.Create(name, labelSmoothing: 0.2f, delta: 2.5f);
        var network = Network.Create(2, 1, new LinearDefinition(loss.OutputsFor(2)!.Value));
        float[] features = [0, 1, 1, 0];
        var options = new FitOptions { Loss = loss, Epochs = 1 };
        _ = loss.Targets == LossTargets.Classes ? network.Fit(features, new[] { 0, 1 }, options) : network.Fit(features, new float[4], options);
        network.Save(In("a"));
        var loaded = Network.Load(In("a")).Loss!;
        Assert.Equal(loss.GetType(), loaded.GetType());
        Assert.Equal((loss as HuberLoss)?.Delta, (loaded as HuberLoss)?.Delta);
        Assert.Equal((loss as CrossEntropyLoss)?.LabelSmoothing, (loaded as CrossEntropyLoss)?.LabelSmoothing);
    }

    [Fact]
    public void What_is_not_known_is_refused_by_name()
    {
        Refused("the kind attention is not known", static json => json["model"]!["layers"]![0]!["kind"] = "attention");
        Refused("version 2", static json => json["version"] = 2);
        Refused("model.layers[0]: groups is not known", static json => json["model"]!["layers"]![0]!["groups"] = 2);
        Refused("outputs is missing", static json => json["model"]!["layers"]![0]!.AsObject().Remove("outputs"));
        Refused("outputs is \"many\", it must be a whole number", static json => json["model"]!["layers"]![0]!["outputs"] = "many");
        Refused("optimizer is not known", static json => json["optimizer"] = "adam");
        Refused("loss: triplet is unknown", static json => json["loss"] = new JsonObject { ["name"] = "triplet" });
    }

    [Fact]
    public void Tensors_that_do_not_fit_the_layers_are_refused()
    {
        Refused("0.weight has shape 12x2 in the file, the layers need 13x2", static json => json["model"]!["layers"]![0]!["outputs"] = 13);
        Refused("0.weight has shape 12x2 in the file, the layers need 2000000000x1", static json =>
        {
            json["model"]!["input"] = new JsonArray(1);
            json["model"]!["layers"] = new JsonArray(new JsonObject { ["kind"] = "linear", ["outputs"] = 2_000_000_000, ["bias"] = false });
        });
        Refused("which no layer has", static json => json["model"]!["layers"]!.AsArray().RemoveAt(4));
        Refused("does not hold 5.weight", static json => json["model"]!["layers"]!.AsArray().Add(new JsonObject { ["kind"] = "layer-norm", ["epsilon"] = 0.1 }));
        Refused("at least one layer", static json => json["model"]!["layers"] = new JsonArray());
        Refused("at least one layer", static json => json["model"]!["input"] = new JsonArray(0));
    }

    [Fact]
    public void A_file_without_layers_is_refused()
    {
        using (var stream = File.Create(In("plain")))
        {
            SafeTensors.Write(stream, [], new Dictionary<string, string>());
        }

        Assert.Contains("only files that Network.Save wrote", Assert.Throws<InvalidDataException>(() => Network.Load(In("plain"))).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Throws<FileNotFoundException>(() => Network.Load(In("none")));
    }

    private void Refused(string part, Action<JsonObject> damage)
    {
        Sets.Mixed().Save(In("good"));
        var (tensors, metadata) = SafeTensors.Read(File.ReadAllBytes(In("good")));
        var json = JsonNode.Parse(metadata["dtrain.network"])!.AsObject();
        damage(json);
        using (var stream = File.Create(In("bad")))
        {
            SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["dtrain.network"] = json.ToJsonString(JsonSerializerOptions.Default) });
        }

        var problem = Assert.Throws<InvalidDataException>(() => Network.Load(In("bad")));
        Assert.Contains(part, problem.Message);
        Assert.Contains("bad", problem.Message);
    }

    private string In(string name) => Path.Combine(_folder, name);
}
