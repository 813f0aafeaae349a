using DistributedTrainer.Experiments.Reading;

namespace DistributedTrainer.Experiments;

/// <summary>What the experiment file calls the values of the options.</summary>
public static class ExperimentNames
{
    /// <summary>As <see cref="LossKind.CrossEntropy"/> → <c>cross-entropy</c>.</summary>
    /// <typeparam name="T">An enumeration of the options.</typeparam>
    /// <param name="value">One of its values.</param>
    public static string Of<T>(T value)
        where T : struct, Enum => Names.Kebab(value);

    /// <summary>As <see cref="MaxPool2dOptions"/> → <c>max-pool2d</c>.</summary>
    /// <param name="layer">Any layer.</param>
    public static string Of(LayerOptions layer) =>
        layer is CustomLayerOptions custom ? custom.Layer.ExtensionName
        : layer is ActivationOptions activation ? Names.Kebab(activation.Kind) : Names.Kebab(layer.GetType().Name.Replace("Options", "", StringComparison.Ordinal));
}
