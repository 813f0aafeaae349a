using System.Security.Cryptography;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Parameters and running statistics that a run starts with, from <c>model.from</c>.</summary>
internal sealed record StartingWeights(float[] Parameters, float[] Buffers, string Sha256)
{
    /// <summary>Reads a safetensors file whose tensors are named and shaped as the model's; what is wrong goes to the problems.</summary>
    public static StartingWeights? Read(Model model, string from, string baseDirectory, ICollection<string> problems)
    {
        byte[] file;
        IReadOnlyList<NamedTensor> tensors;
        try
        {
            file = File.ReadAllBytes(Path.Combine(baseDirectory, from));
            (tensors, _) = SafeTensors.Read(file);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            problems.Add($"model.from: {from} cannot be read: {problem.Message}");
            return null;
        }

        var before = problems.Count;
        var byName = tensors.ToDictionary(static tensor => tensor.Name);
        var weights = new StartingWeights(new float[model.Layout.Length], new float[model.Buffers.Length], Convert.ToHexStringLower(SHA256.HashData(file)));
        foreach (var slot in model.Layout.Slots)
        {
            Copy(slot.Name, slot.Shape, weights.Parameters.AsSpan(slot.Offset, slot.Shape.Elements));
        }

        foreach (var slot in model.Buffers.Slots)
        {
            Copy(slot.Name, slot.Shape, weights.Buffers.AsSpan(slot.Offset, slot.Shape.Elements));
        }

        // PyTorch counts the batches that a batch norm has seen; nothing here depends on it.
        foreach (var name in byName.Keys.Where(static name => !name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)))
        {
            problems.Add($"model.from: {from} holds {name}, which the model does not have. Do model.layers fit the file?");
        }

        return problems.Count == before ? weights : null;

        void Copy(string name, Engine.Tensors.Shape shape, Span<float> into)
        {
            if (!byName.Remove(name, out var tensor))
            {
                problems.Add($"model.from: {from} holds no {name}. Do model.layers fit the file?");
            }
            else if (tensor.Shape != shape)
            {
                problems.Add($"model.from: {name} is {tensor.Shape} in {from}, the model needs {shape}. Do model.layers fit the file?");
            }
            else
            {
                tensor.Values.Span.CopyTo(into);
            }
        }
    }
}
