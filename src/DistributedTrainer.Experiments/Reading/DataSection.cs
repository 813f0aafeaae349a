using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>data</c>.</summary>
internal static class DataSection
{
    private const string Share = "a share from 0 to below 1";
    private const int MostFolds = 1000;
    private const int MostPixels = 65536;

    public static DataOptions Read(Section data)
    {
        if (data.IsBroken)
        {
            return new DataOptions { Source = "" };
        }

        var source = data.Text("source");
        if (string.IsNullOrEmpty(source))
        {
            data.Problems.Add(data.Find("source") ?? data.Node, data.KeyOf("source"), "is missing. Write the name of an embedded data set (digits, iris, wine, breast-cancer, diabetes) or the path of a .csv or .parquet file.");
        }

        var options = new DataOptions
        {
            Source = source ?? "",
            Target = data.Text("target"),
            Task = data.Find("task") is { } node ? data.Choice<TargetTask>(node, data.KeyOf("task")) : null,
            Folds = data.Find("folds") is null ? null : (int)data.Integer("folds", 2, 2, MostFolds),
            Fold = data.Find("fold") is null ? null : (int)data.Integer("fold", 1, 1, MostFolds),
            TrainingShare = data.Number("training-share", 1, static share => share is > 0 and <= 1, "a share above 0 and up to 1"),
            ValidationSource = ReadSource(data, "validation-source"),
            TestSource = ReadSource(data, "test-source"),
            Separator = ReadLetter(data, "separator", "','"),
            Quote = ReadLetter(data, "quote", "\"'\"") ?? '"',
            Missing = data.Choice("missing", MissingPolicy.Error),
            Split = ReadSplit(data),
            Image = ReadImage(data),
            Preprocess = PreparationReader.ReadPreprocess(data),
            Augment = PreparationReader.ReadAugment(data),
            Shuffle = data.Flag("shuffle", true),
        };
        if (options is { Folds: not null, ValidationSource: not null })
        {
            data.Problems.Add(data.Find("folds"), data.KeyOf("folds"), "folds take the validation rows from the training rows, but validation-source has them already. Remove one of the two.");
        }

        if (options.Fold is { } fold && !(fold <= options.Folds))
        {
            data.Problems.Add(data.Find("fold"), data.KeyOf("fold"), options.Folds is null
                ? $"{fold} is one of how many? Write data.folds too, such as folds: 5."
                : $"{fold} is not possible. Write a whole number from 1 to data.folds, {options.Folds}.");
        }

        data.RefuseUnknown();
        return options;
    }

    private static string? ReadSource(Section data, string name)
    {
        var source = data.Text(name);
        if (source is { Length: 0 })
        {
            data.Problems.Add(data.Find(name), data.KeyOf(name), "'' names no data. Write the path of a .csv file, or remove it.");
        }

        return source;
    }

    /// <summary>One character, or the word tab.</summary>
    private static char? ReadLetter(Section data, string name, string example)
    {
        switch (data.Text(name))
        {
            case null:
                return null;
            case "tab":
                return '\t';
            case [var letter] when letter is not ('\n' or '\r'):
                return letter;
            case var text:
                data.Problems.Add(data.Find(name), data.KeyOf(name), $"{Section.Quoted(text)} is not possible. Write one character between quotes, such as {name}: {example}, or tab.");
                return null;
        }
    }

    private static SplitOptions? ReadSplit(Section data)
    {
        var validation = data.Find("folds") is not null ? "folds" : data.Find("validation-source") is not null ? "validation-source" : null;
        var test = data.Find("test-source") is not null ? "test-source" : null;
        var node = data.Find("split");
        if (node is YamlScalarNode { Value: "none" } || (node is null && (validation ?? test) is not null))
        {
            return null;
        }

        var section = data.Below("split", "validation: 0.1, test: 0.2");
        var shares = new SplitOptions
        {
            Validation = ReadShare(data, section, "validation", 0.1, validation),
            Test = ReadShare(data, section, "test", 0.2, test),
            Stratify = section.Flag("stratify", true),
        };
        section.RefuseUnknown();
        if (shares.Validation + shares.Test >= 1)
        {
            data.Problems.Add(
                section.Node,
                section.Path,
                string.Create(CultureInfo.InvariantCulture, $"validation {shares.Validation} and test {shares.Test} leave no training rows. Together they must be below 1."));
        }

        return shares;
    }

    /// <param name="data">Holds the rival.</param>
    /// <param name="split">Holds the share.</param>
    /// <param name="name">The share's key.</param>
    /// <param name="fallback">Its default where there is no rival.</param>
    /// <param name="rival">The key in data that gives the same rows; the share must then be 0.</param>
    private static double ReadShare(Section data, Section split, string name, double fallback, string? rival)
    {
        var share = split.Number(name, rival is null ? fallback : 0, static value => value is >= 0 and < 1, Share);
        if (rival is null || share == 0)
        {
            return share;
        }

        // A rival that came with --set takes the place of what the file says.
        if (!data.Problems.IsOverride(data.Find(rival)) || data.Problems.IsOverride(split.Find(name)))
        {
            data.Problems.Add(split.Find(name), split.KeyOf(name), $"data.{rival} gives the {name} rows already. Write 0, or remove one of the two.");
        }

        return 0;
    }

    private static ImageOptions? ReadImage(Section data)
    {
        var node = data.Find("image");
        if (node is null)
        {
            return null;
        }

        if (node is not YamlSequenceNode { Children.Count: 3 } sizes)
        {
            data.Problems.Add(node, data.KeyOf("image"), $"{Section.Text(node)} is not possible. Write channels, height and width, such as image: [1, 8, 8].");
            return null;
        }

        var numbers = new int[3];
        for (var i = 0; i < 3; i++)
        {
            numbers[i] = (int)data.Integer(sizes.Children[i], $"{data.KeyOf("image")}.{i}", 1, 1, MostPixels);
        }

        if ((long)numbers[0] * numbers[1] * numbers[2] > int.MaxValue)
        {
            data.Problems.Add(node, data.KeyOf("image"), $"{numbers[0]} x {numbers[1]} x {numbers[2]} values are too many for one row. Write smaller numbers.");
        }

        return new ImageOptions(numbers[0], numbers[1], numbers[2]);
    }
}
