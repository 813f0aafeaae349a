using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>data.preprocess</c> and <c>data.augment</c>.</summary>
internal static class PreparationReader
{
    private const int HighestDegree = 30;

    public static ValueList<PreprocessOptions> ReadPreprocess(Section data) =>
        ReadList(data, "preprocess", "standardize", static (item, problems) => ReadStep(item, problems));

    public static ValueList<AugmentOptions> ReadAugment(Section data) =>
        ReadList(data, "augment", "shift: 1", static (item, problems) => ReadChange(item, problems));

    private static ValueList<T> ReadList<T>(Section data, string name, string example, Func<NamedValue, Section, T?> read)
        where T : class
    {
        var node = data.Find(name);
        if (node is not YamlSequenceNode list)
        {
            if (node is not null)
            {
                data.Problems.Add(node, data.KeyOf(name), $"{Section.Text(node)} is not a list. Write {name}: [ {example} ].");
            }

            return [];
        }

        var items = new List<T>();
        for (var i = 0; i < list.Children.Count; i++)
        {
            if (NamedValue.Read(list.Children[i], $"{data.KeyOf(name)}.{i}", "a step", example, data.Problems) is { } item && read(item, data) is { } value)
            {
                items.Add(value);
            }
        }

        return [.. items];
    }

    private static PreprocessOptions? ReadStep(NamedValue item, Section data)
    {
        if (data.Choice<PreprocessKind>(item.NameNode, item.Key) is not { } kind)
        {
            return null;
        }

        var step = new PreprocessOptions(kind);
        switch (kind)
        {
            case PreprocessKind.Scale when Needs(item, "a factor", "scale: 0.0625"):
                return step with { Factor = data.Number(item.Argument!, item.Key, 1, static factor => factor != 0, "a factor other than 0") };
            case PreprocessKind.Polynomial when Needs(item, "the highest power", "polynomial: 3"):
                return step with { Degree = (int)data.Integer(item.Argument!, item.Key, 1, 1, HighestDegree) };
            case PreprocessKind.OneHot when Needs(item, "a list of columns", "one-hot: [ colour ]"):
                return step with { Columns = ReadColumns(item, data) };
            case PreprocessKind.Center or PreprocessKind.Standardize or PreprocessKind.MinMax:
                item.TakesNothing();
                return step;
            default:
                return null;
        }
    }

    private static ValueList<string> ReadColumns(NamedValue item, Section data)
    {
        if (item.Argument is not YamlSequenceNode { Children.Count: > 0 } list || list.Children.Any(static column => column is not YamlScalarNode { Value.Length: > 0 }))
        {
            data.Problems.Add(item.Argument, item.Key, $"{Section.Text(item.Argument!)} is not possible. Write the names of columns in a list, such as one-hot: [ colour ].");
            return [];
        }

        var names = list.Children.Select(static column => ((YamlScalarNode)column).Value!).ToArray();
        if (names.GroupBy(static name => name).FirstOrDefault(static group => group.Count() > 1) is { } twice)
        {
            data.Problems.Add(list, item.Key, $"{Section.Quoted(twice.Key)} is there twice. Write each column once.");
        }

        return [.. names];
    }

    private static AugmentOptions? ReadChange(NamedValue item, Section data)
    {
        if (data.Choice<AugmentKind>(item.NameNode, item.Key) is not { } kind)
        {
            return null;
        }

        switch (kind)
        {
            case AugmentKind.Shift when Needs(item, "a number of pixels", "shift: 1"):
                return new AugmentOptions(kind, data.Integer(item.Argument!, item.Key, 1, 1, 1000));
            case AugmentKind.Rotate when Needs(item, "degrees", "rotate: 10"):
                return new AugmentOptions(kind, data.Number(item.Argument!, item.Key, 1, static angle => angle is > 0 and <= 180, "degrees above 0, up to 180"));
            case AugmentKind.Noise when Needs(item, "a standard deviation", "noise: 0.02"):
                return new AugmentOptions(kind, data.Number(item.Argument!, item.Key, 1, static deviation => deviation > 0, "a number above 0"));
            case AugmentKind.ScaleJitter when Needs(item, "a share", "scale-jitter: 0.1"):
                return new AugmentOptions(kind, data.Number(item.Argument!, item.Key, 0.1, static share => share is > 0 and < 1, "a share above 0 and below 1"));
            case AugmentKind.Flip:
                item.TakesNothing();
                return new AugmentOptions(kind);
            default:
                return null;
        }
    }

    private static bool Needs(NamedValue item, string what, string example)
    {
        if (item.Argument is null)
        {
            item.Values.Problems.Add(item.Node, item.Key, $"{item.Name} needs {what}. Write {example}.");
        }

        return item.Argument is not null;
    }
}
