using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>data</c>.</summary>
internal static class DataSection
{
    private static readonly string[] PlannedPreprocessing = ["polynomial", "one-hot"];

    public static DataOptions Read(Section data)
    {
        var source = data.Text("source");
        if (string.IsNullOrEmpty(source))
        {
            if (data.IsBroken)
            {
                return new DataOptions { Source = "" };
            }

            data.Problems.Add(data.Find("source") ?? data.Node, data.KeyOf("source"), "is missing. Write the name of an embedded data set (digits, iris, wine, breast-cancer, diabetes) or the path of a .csv file.");
        }
        else if (source.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase))
        {
            data.Problems.Add(data.Find("source"), data.KeyOf("source"), "Parquet files are not built yet. Write the path of a .csv file.");
        }

        TargetTask? task = data.Find("task") is { } node ? data.Choice<TargetTask>(node, data.KeyOf("task")) : null;
        var options = new DataOptions
        {
            Source = source ?? "",
            Target = data.Text("target"),
            Task = task,
            Split = ReadSplit(data),
            Preprocess = ReadPreprocess(data),
            Shuffle = data.Flag("shuffle", true),
        };
        data.NotBuilt("folds", remedy: "Remove it, or write a split.");
        data.NotBuilt("validation-source", remedy: "Remove it, or write a split.");
        data.NotBuilt("test-source", remedy: "Remove it, or write a split.");
        data.NotBuilt("augment", static value => value is YamlSequenceNode { Children.Count: 0 });
        data.RefuseUnknown();
        return options;
    }

    private static SplitOptions? ReadSplit(Section data)
    {
        if (data.Find("split") is YamlScalarNode { Value: "none" })
        {
            return null;
        }

        var section = data.Below("split", "validation: 0.1, test: 0.2");
        var shares = new SplitOptions
        {
            Validation = section.Number("validation", 0.1, static share => share is >= 0 and < 1, "a share from 0 to below 1"),
            Test = section.Number("test", 0.2, static share => share is >= 0 and < 1, "a share from 0 to below 1"),
            Stratify = section.Flag("stratify", true),
        };
        section.RefuseUnknown();
        if (shares.Validation + shares.Test >= 1)
        {
            data.Problems.Add(section.Node, section.Path, string.Create(CultureInfo.InvariantCulture, $"validation {shares.Validation} and test {shares.Test} leave no training rows. Together they must be below 1."));
        }

        return shares;
    }

    private static ValueList<PreprocessOptions> ReadPreprocess(Section data)
    {
        if (data.Find("preprocess") is not { } node)
        {
            return [];
        }

        if (node is not YamlSequenceNode list)
        {
            data.Problems.Add(node, data.KeyOf("preprocess"), $"{Section.Text(node)} is not a list. Write preprocess: [ standardize ].");
            return [];
        }

        var steps = new List<PreprocessOptions>();
        for (var i = 0; i < list.Children.Count; i++)
        {
            var key = $"{data.KeyOf("preprocess")}.{i}";
            var (name, argument) = list.Children[i] is YamlMappingNode { Children.Count: 1 } single
                ? (single.Children.First().Key, single.Children.First().Value)
                : (list.Children[i], null);
            if ((name as YamlScalarNode)?.Value == "scale" && !Section.IsNull(argument))
            {
                steps.Add(new PreprocessOptions(PreprocessKind.Scale, data.Number(argument!, key, 1, static factor => factor != 0, "a factor other than 0")));
                continue;
            }

            if (data.Choice<PreprocessKind>(name, key, PlannedPreprocessing) is not { } kind)
            {
                continue;
            }

            if (kind == PreprocessKind.Scale || !Section.IsNull(argument))
            {
                data.Problems.Add(list.Children[i], key, kind == PreprocessKind.Scale ? "scale needs a factor. Write scale: 0.0625." : $"{Names.Kebab(kind)} takes no value. Write {Names.Kebab(kind)} alone.");
            }

            steps.Add(new PreprocessOptions(kind));
        }

        return ValueList.Create<PreprocessOptions>(steps.ToArray());
    }
}
