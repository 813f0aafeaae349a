using System.Text.Json;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Cli.Exporting;

/// <summary>
/// A trained model as an ONNX file: raw rows go in, as they stand in the data, and what <c>dtrain predict</c> says comes
/// out. Inputs: rows (N, columns of numbers), and texts (N, columns of text) where there are such. Outputs: for classes
/// label (N) with their names and probabilities (N, classes), or scores where the loss makes no probabilities of them; for
/// numbers value (N, outputs).
/// </summary>
internal static class OnnxExport
{
    // One protobuf message holds less than 2 GB.
    private const long MostParameters = 500_000_000;

    /// <summary>The file's bytes.</summary>
    /// <exception cref="NotSupportedException">The model has no form in ONNX; says why.</exception>
    public static byte[] Write(SavedModel model)
    {
        if (model.Network.Model.Layout.Length > MostParameters)
        {
            throw new NotSupportedException($"export: {model.Network.Model.Layout.Length} parameters are more than one ONNX file holds ({MostParameters}). Use the model.safetensors.");
        }

        var graph = new OnnxGraph();
        var outputs = new OnnxLayers(model.Network, graph).Add(new OnnxPreprocessing(model.Preprocessor, graph).Add());
        graph.Note("experiment", model.Experiment.Name);
        graph.Note("target", model.TargetName);
        if (model.ClassNames.Count == 0)
        {
            graph.Output(outputs, "value", OnnxType.Float, model.Network.Model.Output.Elements);
        }
        else
        {
            graph.Note("classes", JsonSerializer.Serialize(model.ClassNames));
            AddClasses(model, graph, outputs);
        }

        return graph.ToArray();
    }

    private static void AddClasses(SavedModel model, OnnxGraph graph, string outputs)
    {
        var (classes, isOne) = (model.ClassNames.Count, model.Network.Model.Output.Elements == 1);
        var number = isOne
            ? graph.Node("Cast", [graph.Node("Squeeze", [graph.Node("Greater", [outputs, graph.Constant((float[])[0], 1)]), graph.Constant((long[])[1], 1)])], ("to", (int)OnnxType.Int64))
            : graph.Node("ArgMax", [outputs], ("axis", 1), ("keepdims", 0));
        graph.Output(graph.Node("Gather", [graph.Constant(model.ClassNames, classes), number]), "label", OnnxType.String, null);
        if (!Losses.GivesProbabilities(model.Loss))
        {
            graph.Output(outputs, "scores", OnnxType.Float, model.Network.Model.Output.Elements);
            return;
        }

        // σ(−z) instead of 1 − σ(z), which would cancel where z is large.
        var probabilities = isOne
            ? graph.Node("Sigmoid", [graph.Node("Concat", [graph.Node("Neg", [outputs]), outputs], ("axis", 1))])
            : graph.Node("Softmax", [outputs], ("axis", 1));
        graph.Output(probabilities, "probabilities", OnnxType.Float, classes);
    }
}

/// <summary>What the outputs that a loss was minimised for mean.</summary>
internal static class Losses
{
    /// <summary>Whether outputs are the logarithms of odds; of others only the order means something.</summary>
    public static bool GivesProbabilities(Loss loss) => loss is CrossEntropyLoss or KlDivergenceLoss or LogisticLoss or BinaryCrossEntropyLoss;
}
