using System.Globalization;
using DistributedTrainer.Experiments.Writing;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>tune</c>. Whether the keys of the ranges exist shows when their values are set.</summary>
internal static class TuneSection
{
    private const int MostTrials = 100_000;

    // What is the same in all trials, since the search itself is made of it.
    private static readonly string[] Fixed = ["name", "tune", "data.folds", "data.fold", "data.source", "data.split", "data.validation-source", "data.test-source"];

    public static TuneOptions Read(Section tune, LossOptions? loss)
    {
        var defaults = new TuneOptions();
        var options = new TuneOptions
        {
            Search = tune.Choice("search", defaults.Search),
            Trials = tune.Find("trials") is null ? null : (int)tune.Integer("trials", 1, 1, MostTrials),
            Metric = tune.Choice("metric", defaults.Metric),
            Halving = tune.Find("halving") is null ? null : ReadHalving(tune.Below("halving", "factor: 3")),
            Ranges = ReadRanges(tune),
        };
        if (tune.IsBroken)
        {
            return options;
        }

        tune.RefuseUnknown();
        if (options.Metric == EarlyStoppingMetric.ValidationAccuracy && loss is not null && LossSection.NeedsNumbers(loss.Kind))
        {
            tune.Problems.Add(tune.Find("metric"), tune.KeyOf("metric"), $"{Names.Kebab(loss.Kind)} compares numbers, which have no accuracy. Write validation-loss.");
        }

        return options;
    }

    private static HalvingOptions ReadHalving(Section halving)
    {
        var defaults = new HalvingOptions();
        var options = new HalvingOptions
        {
            Factor = (int)halving.Integer("factor", defaults.Factor, 2, 1000),
            FirstEpochs = (int)halving.Integer("first-epochs", defaults.FirstEpochs, 1),
        };
        halving.RefuseUnknown();
        return options;
    }

    private static ValueList<TuneRange> ReadRanges(Section tune)
    {
        var ranges = tune.Below("ranges", "optimizer.learning-rate: { from: 0.0001, to: 0.1, scale: log }");
        var result = new List<TuneRange>();
        foreach (var (node, value) in (ranges.Node as YamlMappingNode ?? []).Children)
        {
            var key = (node as YamlScalarNode)?.Value ?? "";
            if (Fixed.Any(name => key == name || key.StartsWith(name + '.', StringComparison.Ordinal)))
            {
                tune.Problems.Add(node, ranges.KeyOf(key), "trials with another value could not be compared. Remove it.");
            }
            else if (key.StartsWith("cluster", StringComparison.Ordinal))
            {
                tune.Problems.Add(node, ranges.KeyOf(key), "nothing under cluster changes a result. Remove it.");
            }
            else if (ReadRange(value, key, ranges) is { } range)
            {
                result.Add(range);
            }
        }

        return [.. result];
    }

    private static TuneRange? ReadRange(YamlNode node, string key, Section ranges)
    {
        var path = ranges.KeyOf(key);
        switch (node)
        {
            case YamlSequenceNode { Children.Count: > 0 } list:
                string[] values = [.. list.Children.Select(YamlValues.Flow)];
                if (values.GroupBy(static value => value).FirstOrDefault(static group => group.Count() > 1) is { } twice)
                {
                    ranges.Problems.Add(node, path, $"{Section.Quoted(twice.Key)} is in the list twice. Write each value once.");
                }

                return new ChoiceRange(key, [.. values]);
            case YamlMappingNode mapping:
                return ReadNumbers(new Section(mapping, path, ranges.Problems), key);
            default:
                ranges.Problems.Add(node, path, $"{Section.Text(node)} is no range. Write values such as [32, 64], or {{ from: 0.0001, to: 0.1, scale: log }}.");
                return null;
        }
    }

    private static NumberRange ReadNumbers(Section range, string key)
    {
        foreach (var name in ((string[])["from", "to"]).Where(name => range.Find(name) is null))
        {
            range.Problems.Add(range.Node, range.KeyOf(name), "is missing. Write both ends, such as { from: 0.0001, to: 0.1, scale: log }.");
        }

        var scale = range.Choice("scale", RangeScale.Linear);
        var whole = range.Flag("whole", false);
        var from = range.Number("from", double.NaN, value => Possible(value, scale, whole), Wanted(scale, whole));
        var to = range.Number(
            "to", 1, value => !(value <= from) && Possible(value, scale, whole), string.Create(CultureInfo.InvariantCulture, $"{Wanted(scale, whole)} above from, {from}"));
        var points = (int)range.Integer("points", NumberRange.DefaultPoints, 2, 1000);
        range.RefuseUnknown();
        return new NumberRange(key, from, to, scale, whole, points);
    }

    private static bool Possible(double value, RangeScale scale, bool whole) =>
        (scale == RangeScale.Linear || value > 0) && (!whole || value == Math.Floor(value));

    private static string Wanted(RangeScale scale, bool whole) => (scale, whole) switch
    {
        (RangeScale.Log, true) => "a whole number above 0",
        (RangeScale.Log, _) => "a number above 0",
        (_, true) => "a whole number",
        _ => "a number",
    };
}
