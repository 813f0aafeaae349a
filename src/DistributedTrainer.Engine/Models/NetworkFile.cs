using System.Text.Json.Nodes;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Engine.Models;

/// <summary>A network in one safetensors file: tensors by PyTorch's names, the definition as JSON in the metadata.</summary>
internal static class NetworkFile
{
    private const string Key = "dtrain.network";
    private const int Version = 1;

    public static void Write(string path, Network network)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var (parameters, buffers) = (network.Parameters.ToArray(), network.Buffers.ToArray());
        var tensors = network.Model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, parameters.AsMemory(slot.Offset, slot.Shape.Elements)))
            .Concat(network.Model.Buffers.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, buffers.AsMemory(slot.Offset, slot.Shape.Elements))));
        var json = new JsonObject
        {
            ["version"] = Version,
            ["seed"] = network.Seed,
            ["model"] = DefinitionJson.Write(network.Definition),
        };
        if (network.Loss is { } loss)
        {
            json["loss"] = WriteLoss(loss);
        }

        // A reader never sees half a file, and the old one stays where the disk is full.
        var temporary = path + ".tmp";
        try
        {
            using (var stream = File.Create(temporary))
            {
                SafeTensors.Write(stream, [.. tensors], new Dictionary<string, string> { ["format"] = "pt", [Key] = json.ToJsonString() });
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    public static (ModelDefinition Definition, ulong Seed, Loss? Loss, IReadOnlyList<NamedTensor> Tensors) Read(string path)
    {
        var (tensors, metadata) = SafeTensors.Read(File.ReadAllBytes(path));
        if (!metadata.TryGetValue(Key, out var text))
        {
            throw new InvalidDataException($"{path}: the metadata has no {Key}, so the layers are not known. Only files that Network.Save wrote can be loaded.");
        }

        try
        {
            using var fields = JsonFields.Parse("network", text);
            var version = fields.Int("version");
            if (version != Version)
            {
                throw new InvalidDataException($"network: the file has version {version}, this library reads version {Version}. Use the library that wrote it, or a newer one.");
            }

            var (seed, definition, loss) = (fields.UInt64("seed"), DefinitionJson.Read(fields.Object("model")), fields.Has("loss") ? ReadLoss(fields.Object("loss")) : null);
            fields.Close();
            return (definition, seed, loss, tensors);
        }
        catch (InvalidDataException problem)
        {
            throw new InvalidDataException($"{path}: {problem.Message}", problem);
        }
    }

    /// <summary>The values of all parameters, then of all buffers; each must be there with its shape, and no other.</summary>
    /// <exception cref="InvalidDataException">Names what does not fit.</exception>
    public static List<ReadOnlyMemory<float>> Match(Model model, IReadOnlyList<NamedTensor> tensors)
    {
        var byName = tensors.ToDictionary(static tensor => tensor.Name);
        var slots = model.Layout.Slots.Select(static slot => (slot.Name, slot.Shape)).Concat(model.Buffers.Slots.Select(static slot => (slot.Name, slot.Shape)));
        var values = slots.Select(slot => Take(byName, slot.Name, slot.Shape)).ToList();
        return byName.Count == 0
            ? values
            : throw new InvalidDataException($"network: the file holds {string.Join(", ", byName.Keys)}, which no layer has.");
    }

    private static ReadOnlyMemory<float> Take(Dictionary<string, NamedTensor> tensors, string name, Tensors.Shape shape)
    {
        if (!tensors.Remove(name, out var tensor))
        {
            throw new InvalidDataException($"network: the file does not hold {name}, which the layers need.");
        }

        return tensor.Shape == shape
            ? tensor.Values
            : throw new InvalidDataException($"network: {name} has shape {tensor.Shape} in the file, the layers need {shape}.");
    }

    private static JsonObject WriteLoss(Loss loss) => loss switch
    {
        CrossEntropyLoss crossEntropy => new JsonObject { ["name"] = loss.Name, ["label-smoothing"] = crossEntropy.LabelSmoothing },
        HuberLoss huber => new JsonObject { ["name"] = loss.Name, ["delta"] = huber.Delta },
        KlDivergenceLoss => new JsonObject { ["name"] = loss.Name, ["targets"] = loss.Targets == LossTargets.Classes ? "classes" : "values" },
        CustomLoss custom => ExtensionJson.Write("name", custom),
        _ => new JsonObject { ["name"] = loss.Name },
    };

    private static Loss ReadLoss(JsonFields fields)
    {
        var name = fields.Text("name");
        try
        {
            var loss = ExtensionRegistry.FindLoss(name) is { } custom ? (Loss)ExtensionJson.Read(custom, fields) : TrainingLoss.Create(
                name,
                name == "cross-entropy" ? fields.Float("label-smoothing") : 0,
                name == "huber" ? fields.Float("delta") : 1,
                name == "kl-divergence" && fields.Choice("targets", "classes", "values") == "values" ? LossTargets.Values : LossTargets.Classes);
            fields.Close();
            return loss;
        }
        catch (ArgumentException problem)
        {
            throw new InvalidDataException(problem.Message, problem);
        }
    }
}
