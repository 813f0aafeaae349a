using System.Text.Json;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A line of weights.jsonl.</summary>
/// <param name="Step">The version that is described.</param>
/// <param name="Tensors">Its tensors, as many as are described.</param>
internal sealed record WeightLine(long Step, WeightTensor[] Tensors)
{
    /// <summary>The line of a version.</summary>
    /// <param name="version">Which.</param>
    /// <param name="tensors">What its worker told.</param>
    /// <param name="norms">Norms of the mean gradient of the step that follows, one a tensor; null: it is not known.</param>
    public static WeightLine Of(long version, ParameterSummary[] tensors, double[]? norms) =>
        new(version, [.. tensors.Select((tensor, i) => new WeightTensor(tensor.Name, tensor.Elements, tensor.Low, tensor.High, tensor.Mean, tensor.Norm, norms?[i], tensor.Counts))]);

    /// <summary>The same without the gradient.</summary>
    public ParameterSummary[] Summaries() =>
        [.. Tensors.Select(static tensor => new ParameterSummary(tensor.Name, tensor.Elements, tensor.Low, tensor.High, tensor.Mean, tensor.Norm, tensor.Counts))];

    /// <summary>The lines of a file, up to the first that is damaged: of a process that was killed the last one may be cut off.</summary>
    /// <param name="texts">The file.</param>
    /// <param name="json">How they were written.</param>
    public static IEnumerable<(WeightLine Line, string Text)> Read(IEnumerable<string> texts, JsonSerializerOptions json)
    {
        foreach (var text in texts)
        {
            if (Parse(text, json) is not { Tensors: not null } line)
            {
                yield break;
            }

            yield return (line, text);
        }
    }

    private static WeightLine? Parse(string text, JsonSerializerOptions json)
    {
        try
        {
            return JsonSerializer.Deserialize<WeightLine>(text, json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
