using System.Globalization;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

/// <summary>Pieces of text that views share.</summary>
internal static class Texts
{
    /// <summary>One line that says how a run stands.</summary>
    public static string Line(Submissions.View view)
    {
        var validation = view.ValidationAccuracy is { } accuracy ? string.Create(CultureInfo.InvariantCulture, $"  validation {accuracy:0.0%}") : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{view.Phase}  step {view.Step}/{view.Steps}  epoch {view.Epoch}/{view.Epochs}  loss {Loss(view.Loss)}{validation}  {view.RowsPerSecond:#,0} rows/s  {Workers(view)}");
    }

    /// <summary>How many workers have something to do, and on how many threads where these are more.</summary>
    public static string Workers(Submissions.View view)
    {
        var computing = view.Nodes.Where(static node => node.Role == "worker" && node.Shards.Length > 0).ToArray();
        var (workers, threads) = (computing.Length, computing.Sum(static node => node.Threads));
        return string.Create(CultureInfo.InvariantCulture, $"workers {workers}{(threads > workers ? $" ({threads} threads)" : "")}");
    }

    /// <summary>Ascending numbers, in a row as the first and the last.</summary>
    public static string Numbers(IReadOnlyList<int> numbers)
    {
        var parts = new List<string>();
        for (int first = 0, last; first < numbers.Count; first = last + 1)
        {
            for (last = first; last + 1 < numbers.Count && numbers[last + 1] == numbers[last] + 1;)
            {
                last++;
            }

            parts.Add((last - first) switch
            {
                0 => $"{numbers[first]}",
                1 => $"{numbers[first]} {numbers[last]}",
                _ => $"{numbers[first]}-{numbers[last]}",
            });
        }

        return string.Join(' ', parts);
    }

    /// <summary>Up to the first full stop that ends a sentence.</summary>
    public static string? FirstSentence(string? text) => text?.IndexOf(". ", StringComparison.Ordinal) is > 0 and var end ? text[..(end + 1)] : text;

    public static string Loss(double loss) => double.IsNaN(loss) ? "-" : loss.ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>What a person wants to know of dead units.</summary>
    public static string DeadUnits(string layer, string function, int dead, int units, string rows) =>
        $"layer {layer} {function}: {dead} of {units} units were 0 on {rows}. Lower optimizer.learning-rate, put batch-norm before the layer, or write leaky-relu.";

    /// <summary>Time left at the speed of the last seconds; empty while nothing is known of it.</summary>
    public static string TimeLeft(Submissions.View view) =>
        view.StepsPerSecond <= 0 ? "" : TimeSpan.FromSeconds((view.Steps - view.Step) / view.StepsPerSecond) is var left && left.TotalMinutes >= 1
            ? $"{(int)left.TotalMinutes} min {left.Seconds} s left"
            : $"{left.Seconds} s left";
}
