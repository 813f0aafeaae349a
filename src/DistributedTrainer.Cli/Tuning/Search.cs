using System.Globalization;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>One key of a trial with its value.</summary>
/// <param name="Key">Dotted path, as for --set.</param>
/// <param name="Value">YAML.</param>
internal sealed record Setting(string Key, string Value)
{
    public override string ToString() => $"{Key}={Value}";
}

/// <summary>Which trials a search has: the same for the same ranges and seed, always.</summary>
internal static class Search
{
    private const int MostTrials = 100_000;

    // A range of few values is used up long before: then there are fewer trials than asked for.
    private const int DrawsPerTrial = 100;

    private const int Digits = 4;

    /// <summary>The settings of each trial; one trial without any where there are no ranges.</summary>
    /// <param name="tune">What is searched.</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <param name="problems">Receives what is wrong.</param>
    public static IReadOnlyList<Setting[]> Trials(TuneOptions tune, ulong seed, ICollection<string> problems) =>
        tune.Ranges.Count == 0 ? [[]] : tune.Search == SearchKind.Grid ? Grid(tune, problems) : Random(tune, seed);

    /// <summary>All combinations; the last key changes fastest.</summary>
    private static List<Setting[]> Grid(TuneOptions tune, ICollection<string> problems)
    {
        var axes = tune.Ranges.Select(static range => Values(range).Select(value => new Setting(range.Key, value)).ToArray()).ToArray();
        var combinations = axes.Aggregate(1L, static (product, axis) => Math.Min(product * axis.Length, int.MaxValue));
        if (combinations > (tune.Trials ?? MostTrials))
        {
            problems.Add($"tune: the grid has {combinations} combinations ({string.Join(" x ", axes.Select(static axis => axis.Length))}), more than tune.trials, {tune.Trials ?? MostTrials}. Write fewer values or points, more trials, or search: random.");
            return [];
        }

        return axes.Aggregate(
            new List<Setting[]> { Array.Empty<Setting>() },
            static (trials, axis) => [.. trials.SelectMany(trial => axis.Select(setting => (Setting[])[.. trial, setting]))]);
    }

    private static List<Setting[]> Random(TuneOptions tune, ulong seed)
    {
        var (wanted, seen, trials) = (tune.Trials ?? TuneOptions.DefaultTrials, new HashSet<string>(), new List<Setting[]>());
        for (var draw = 0L; trials.Count < wanted && draw < (long)wanted * DrawsPerTrial; draw++)
        {
            // By the draw's number: more trials continue the same sequence.
            var stream = new RandomStream(seed, RandomPurpose.Search, step: draw);
            var settings = tune.Ranges.Select((range, place) => new Setting(range.Key, At(range, stream, place))).ToArray();
            if (seen.Add(string.Join('\n', settings.Select(static setting => setting.Value))))
            {
                trials.Add(settings);
            }
        }

        return trials;
    }

    private static IEnumerable<string> Values(TuneRange range) => range switch
    {
        ChoiceRange choices => choices.Values,
        NumberRange numbers => Enumerable.Range(0, numbers.Points).Select(point => At(numbers, (double)point / (numbers.Points - 1))).Distinct(),
        _ => throw new ArgumentException($"search: a range of type {range.GetType().Name} has no values."),
    };

    private static string At(TuneRange range, RandomStream stream, int place) => range switch
    {
        ChoiceRange choices => choices.Values[stream.Below(place, choices.Values.Count)],
        NumberRange { Whole: true, Scale: RangeScale.Linear } numbers => Text(numbers, Math.Floor(numbers.From + ((numbers.To - numbers.From + 1) * stream.Uniform(place)))),
        NumberRange numbers => At(numbers, stream.Uniform(place)),
        _ => throw new ArgumentException($"search: a range of type {range.GetType().Name} has no values."),
    };

    /// <summary>The number at a share of the way from one end to the other.</summary>
    private static string At(NumberRange range, double share)
    {
        var value = share switch
        {
            <= 0 => range.From,
            >= 1 => range.To,
            _ => range.Scale == RangeScale.Log
                ? range.From * PortableMath.Power(range.To / range.From, share)
                : range.From + ((range.To - range.From) * share),
        };
        return Text(range, range.Whole ? Math.Round(value) : value);
    }

    // A few digits are enough to search with, and a person can read them.
    private static string Text(NumberRange range, double value)
    {
        if (!range.Whole && value > range.From && value < range.To)
        {
            value = double.Parse(value.ToString($"G{Digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        }

        return Math.Clamp(value, range.From, range.To).ToString("R", CultureInfo.InvariantCulture);
    }
}
