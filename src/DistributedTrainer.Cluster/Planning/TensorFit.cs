using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Puts the tensors of a file where a model has its parameters and running statistics.</summary>
internal static class TensorFit
{
    /// <summary>Fills both; what does not fit goes to the problems.</summary>
    /// <param name="model">Where the values belong.</param>
    /// <param name="tensors">All of the file.</param>
    /// <param name="prefix">What problems begin with.</param>
    /// <param name="file">Named in problems.</param>
    /// <param name="parameters">The flat vector, overwritten.</param>
    /// <param name="buffers">The running statistics, overwritten.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Whether all fits.</returns>
    public static bool Fill(Model model, IReadOnlyList<NamedTensor> tensors, string prefix, string file, Span<float> parameters, Span<float> buffers, ICollection<string> problems)
    {
        var before = problems.Count;
        var byName = tensors.ToDictionary(static tensor => tensor.Name);
        foreach (var slot in model.Layout.Slots)
        {
            Copy(slot.Name, slot.Shape, parameters.Slice(slot.Offset, slot.Shape.Elements));
        }

        foreach (var slot in model.Buffers.Slots)
        {
            Copy(slot.Name, slot.Shape, buffers.Slice(slot.Offset, slot.Shape.Elements));
        }

        // PyTorch counts the batches that a batch norm has seen; nothing here depends on it.
        foreach (var name in byName.Keys.Where(static name => !name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)))
        {
            problems.Add($"{prefix}{file} holds {name}, which the model does not have. Do model.layers fit the file?");
        }

        return problems.Count == before;

        void Copy(string name, Shape shape, Span<float> into)
        {
            if (!byName.Remove(name, out var tensor))
            {
                problems.Add($"{prefix}{file} holds no {name}. Do model.layers fit the file?");
            }
            else if (tensor.Shape != shape)
            {
                problems.Add($"{prefix}{name} is {tensor.Shape} in {file}, the model needs {shape}. Do model.layers fit the file?");
            }
            else
            {
                tensor.Values.Span.CopyTo(into);
            }
        }
    }
}
