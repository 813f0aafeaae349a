using System.Globalization;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>A network whose training is measured, and how much work a row is.</summary>
internal sealed record BenchNetwork
{
    private static readonly int[] ImageShape = [28, 28];

    /// <summary>As in the results: 784-512-256-10, 784-512-256-10 batch-norm, or cnn.</summary>
    public required string Name { get; init; }

    /// <summary>Sizes of one input row.</summary>
    public required IReadOnlyList<int> Input { get; init; }

    public required int Classes { get; init; }

    /// <summary>As items of model.layers.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>Multiply-adds of one row in the forward pass of each linear or convolution layer, in order.</summary>
    public required IReadOnlyList<long> MultiplyAdds { get; init; }

    public required long Parameters { get; init; }

    /// <summary>
    /// Operations that a row needs in one step, 2 for each multiply-add: the forward pass, the weight gradient, and the
    /// input gradient of every layer but the first, whose input is data.
    /// </summary>
    public long OperationsPerRow => 2 * ((3 * MultiplyAdds.Sum()) - MultiplyAdds[0]);

    /// <summary>Reads widths such as "784-512-256-10": inputs, hidden layers with ReLU between them, classes.</summary>
    /// <param name="text">The widths.</param>
    /// <param name="batchNorm">Whether batch normalisation stands before each ReLU.</param>
    /// <param name="problems">Receives what is wrong with it.</param>
    /// <param name="localNorm">Of each leaf by itself instead of over the global batch.</param>
    public static BenchNetwork? Perceptron(string text, bool batchNorm, ICollection<string> problems, bool localNorm = false)
    {
        var widths = text.Split('-').Select(static part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var width) ? width : 0).ToArray();
        if (widths.Length < 2 || widths.Any(static width => width < 1))
        {
            problems.Add($"--layers: '{text}' is no list of widths. Write inputs, hidden layers and classes, such as 784-512-256-10.");
            return null;
        }

        if (widths[^1] is < 2 or > byte.MaxValue)
        {
            problems.Add($"--layers: the last width is the number of classes; {widths[^1]} is not within 2 to {byte.MaxValue}.");
            return null;
        }

        var layers = new List<string>();
        var (multiplyAdds, parameters) = (new List<long>(), 0L);
        foreach (var (inputs, outputs) in widths.Zip(widths.Skip(1)))
        {
            layers.Add($"linear: {outputs}");
            multiplyAdds.Add((long)inputs * outputs);
            parameters += ((long)inputs * outputs) + outputs;
            if (layers.Count(static layer => layer.StartsWith("linear", StringComparison.Ordinal)) < widths.Length - 1)
            {
                layers.AddRange(batchNorm ? [localNorm ? "batch-norm: { sync: false }" : "batch-norm", "relu"] : ["relu"]);
                parameters += batchNorm ? 2 * outputs : 0;
            }
        }

        return new BenchNetwork
        {
            Name = text + (!batchNorm ? "" : localNorm ? " batch-norm local" : " batch-norm"),
            Input = [widths[0]],
            Classes = widths[^1],
            Layers = layers,
            MultiplyAdds = multiplyAdds,
            Parameters = parameters,
        };
    }

    /// <summary>Two convolutions with batch normalisation, ReLU and pooling, then two linear layers, on images of 28 by 28.</summary>
    public static BenchNetwork Convolutional() => new()
    {
        Name = "cnn",
        Input = ImageShape,
        Classes = 10,
        Layers =
        [
            "conv2d: { outputs: 32, kernel: 3, padding: 1 }", "batch-norm", "relu", "max-pool2d: 2",
            "conv2d: { outputs: 64, kernel: 3, padding: 1 }", "batch-norm", "relu", "max-pool2d: 2",
            "flatten", "linear: 128", "relu", "linear: 10",
        ],

        // Kernel elements by output positions: 28 · 28, then 14 · 14; two poolings leave 7 · 7.
        MultiplyAdds = [32 * 9 * 28 * 28, 64 * 32 * 9 * 14 * 14, 64 * 7 * 7 * 128, 128 * 10],
        Parameters = (32 * 9) + 32 + (2 * 32) + (64 * 32 * 9) + 64 + (2 * 64) + (64 * 7 * 7 * 128) + 128 + (128 * 10) + 10,
    };
}
