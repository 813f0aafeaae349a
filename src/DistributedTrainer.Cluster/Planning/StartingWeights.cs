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

        var weights = new StartingWeights(new float[model.Layout.Length], new float[model.Buffers.Length], Convert.ToHexStringLower(SHA256.HashData(file)));
        return TensorFit.Fill(model, tensors, "model.from: ", from, weights.Parameters, weights.Buffers, problems) ? weights : null;
    }
}
