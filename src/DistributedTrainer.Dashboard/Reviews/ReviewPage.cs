namespace DistributedTrainer.Dashboard.Reviews;

/// <summary>A layer, as the page shows it.</summary>
internal sealed record LayerRow(int Place, string Kind, string Output, int Parameters);

/// <summary>The layers of a run's model.</summary>
internal sealed record ModelPage(IReadOnlyList<LayerRow> Layers, long Parameters);

/// <summary>A row whose class was not found.</summary>
/// <param name="Row">In its source, from 0.</param>
/// <param name="Label">Its class.</param>
/// <param name="Predicted">The class that was found.</param>
/// <param name="Probability">How sure the model is of it, 0 to 1.</param>
/// <param name="Pixels">Of an image: bytes (channels, height, width) in base 64; null: the rows are no images.</param>
internal sealed record WrongRow(int Row, int Label, int Predicted, double Probability, string? Pixels);

/// <summary>How a model does on held-back rows.</summary>
/// <param name="Source">Which rows of which source.</param>
/// <param name="Model">Which parameters.</param>
/// <param name="Rows">How many.</param>
/// <param name="Loss">Their mean.</param>
/// <param name="Accuracy">Null: the target is a number.</param>
/// <param name="Classes">In the order of their numbers; empty: the target is a number.</param>
/// <param name="Confusion">(class, predicted class).</param>
/// <param name="Precision">Of each class.</param>
/// <param name="Recall">Of each class.</param>
/// <param name="RSquared">Null: the target is a class.</param>
/// <param name="Image">Channels, height, width; null: the rows are no images.</param>
/// <param name="Wrong">Rows whose class was not found, the surest first.</param>
/// <param name="WrongRows">How many there are.</param>
internal sealed record ReviewPage(
    string Source, string Model, long Rows, double Loss, double? Accuracy, IReadOnlyList<string> Classes, IReadOnlyList<IReadOnlyList<long>> Confusion,
    IReadOnlyList<double> Precision, IReadOnlyList<double> Recall, double? RSquared, IReadOnlyList<int>? Image, IReadOnlyList<WrongRow> Wrong, int WrongRows);
