using DistributedTrainer.Engine.Losses;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// Rows of features with what is right for each: a class, or values. Features lie row after row, as do values where a
/// model has several outputs. The arrays are used as they are, not copied.
/// </summary>
public sealed class Examples
{
    /// <summary>Rows with classes.</summary>
    /// <param name="features">(rows, features).</param>
    /// <param name="labels">Class numbers from 0 (rows).</param>
    public Examples(ReadOnlyMemory<float> features, ReadOnlyMemory<int> labels) =>
        (Features, Labels, Kind) = (features, labels, LossTargets.Classes);

    /// <summary>Rows with values.</summary>
    /// <param name="features">(rows, features).</param>
    /// <param name="targets">(rows, outputs).</param>
    public Examples(ReadOnlyMemory<float> features, ReadOnlyMemory<float> targets) =>
        (Features, Targets, Kind) = (features, targets, LossTargets.Values);

    /// <summary>All features (rows, features).</summary>
    public ReadOnlyMemory<float> Features { get; }

    /// <summary>Classes (rows), where they are what is right.</summary>
    public ReadOnlyMemory<int> Labels { get; }

    /// <summary>Values (rows, outputs), where they are what is right.</summary>
    public ReadOnlyMemory<float> Targets { get; }

    /// <summary>Which of both.</summary>
    public LossTargets Kind { get; }

    /// <summary>Rows, as a model sees them.</summary>
    internal int RowsFor(Model model) => Features.Length / model.Input.Elements;

    /// <summary>All that keeps a model from being trained or measured on these rows.</summary>
    /// <param name="name">What the rows are, such as "training".</param>
    /// <param name="model">The model.</param>
    /// <param name="loss">What is minimised.</param>
    /// <param name="problems">Receives what is wrong.</param>
    internal void FindProblems(string name, Model model, Loss loss, ICollection<string> problems)
    {
        var outputs = model.Output.Elements;
        FindProblems(name, model, Features.Span, problems);
        if (loss.Targets != Kind)
        {
            problems.Add($"{name}: the loss {loss.Name} needs {Text(loss.Targets)}, but the rows have {Text(Kind)}. Choose another loss.");
            return;
        }

        var classes = outputs == 1 ? 2 : outputs;
        if (loss.OutputsFor(Kind == LossTargets.Classes ? classes : outputs) != outputs)
        {
            problems.Add($"{name}: the loss {loss.Name} does not fit a model with {outputs} outputs. {(outputs == 1 ? "Give the last layer two outputs or more." : "Give the last layer one output, or choose a loss for several classes.")}");
            return;
        }

        var rows = RowsFor(model);
        if (Kind == LossTargets.Classes)
        {
            var wrong = Labels.Span.IndexOfAnyExceptInRange(0, classes - 1);
            if (Labels.Length != rows)
            {
                problems.Add($"{name}: there are {Labels.Length} labels for {rows} rows of {model.Input.Elements} features. Each row needs one.");
            }
            else if (wrong >= 0)
            {
                problems.Add($"{name}: the label of row {wrong} is {Labels.Span[wrong]}, it must be from 0 to {classes - 1} for a model with {outputs} outputs. Number the classes from 0, or change the last layer.");
            }
        }
        else if (Targets.Length != (long)rows * outputs)
        {
            problems.Add($"{name}: there are {Targets.Length} targets for {rows} rows and {outputs} outputs. There must be {(long)rows * outputs}.");
        }
        else
        {
            FindNotFinite(name, "target", Targets.Span, outputs, problems);
        }
    }

    /// <summary>All that is wrong with the features.</summary>
    internal static void FindProblems(string name, Model model, ReadOnlySpan<float> features, ICollection<string> problems)
    {
        var width = model.Input.Elements;
        if (features.Length % width != 0)
        {
            problems.Add($"{name}: there are {features.Length} features, which are not whole rows of {width}. Check the number of columns.");
        }
        else if (features.Length == 0)
        {
            problems.Add($"{name}: there are no rows.");
        }
        else
        {
            FindNotFinite(name, "feature", features, width, problems);
        }
    }

    /// <summary>Copies rows into a workspace, from its first row on.</summary>
    internal void Gather(ReadOnlySpan<int> rows, Workspace workspace)
    {
        var (count, first) = (rows.Length, 0);
        var input = workspace.Input(count);
        var labels = workspace.Labels(count);
        var targets = workspace.Targets(count);
        var (width, outputs) = (input.Length / count, targets.Length / count);
        foreach (var row in rows)
        {
            Features.Span.Slice(row * width, width).CopyTo(input.Slice(first * width, width));
            if (Kind == LossTargets.Classes)
            {
                labels[first] = Labels.Span[row];
            }
            else
            {
                Targets.Span.Slice(row * outputs, outputs).CopyTo(targets.Slice(first * outputs, outputs));
            }

            first++;
        }
    }

    /// <summary>Copies neighbouring rows into a workspace.</summary>
    internal void Gather(int first, int count, Workspace workspace)
    {
        var input = workspace.Input(count);
        var targets = workspace.Targets(count);
        Features.Span.Slice(first * (input.Length / count), input.Length).CopyTo(input);
        if (Kind == LossTargets.Classes)
        {
            Labels.Span.Slice(first, count).CopyTo(workspace.Labels(count));
        }
        else
        {
            Targets.Span.Slice(first * (targets.Length / count), targets.Length).CopyTo(targets);
        }
    }

    private static string Text(LossTargets kind) => kind == LossTargets.Classes ? "classes" : "values";

    private static void FindNotFinite(string name, string what, ReadOnlySpan<float> values, int columns, ICollection<string> problems)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                problems.Add(FormattableString.Invariant($"{name}: {what} {i % columns} of row {i / columns} is {values[i]}, it must be a finite number. Fill in or leave out such rows."));
                return;
            }
        }
    }
}
