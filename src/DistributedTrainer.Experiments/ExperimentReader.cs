using DistributedTrainer.Experiments.Reading;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments;

/// <summary>Reads an experiment file and reports all of its problems at once.</summary>
public static class ExperimentReader
{
    /// <summary>Reads an experiment. Nothing on disk is touched.</summary>
    /// <param name="yaml">The file's text.</param>
    /// <param name="fileName">Named in problems; its stem is the default of <c>name</c>.</param>
    /// <param name="overrides"><c>key=value</c> each, the key a dotted path such as <c>optimizer.learning-rate</c> or <c>model.layers.0.linear</c>, the value YAML; later ones win.</param>
    public static ExperimentResult Read(string yaml, string fileName, IReadOnlyList<string> overrides)
    {
        var problems = new ProblemList(Path.GetFileName(fileName));
        if (Parse(yaml, problems) is not { } root)
        {
            return new ExperimentResult(null, problems.Problems);
        }

        foreach (var text in overrides)
        {
            Override(root, text, problems);
        }

        var section = new Section(root, "", problems);
        var data = DataSection.Read(section.Below("data"));
        var experiment = new Experiment
        {
            Name = ReadName(section, fileName),
            Seed = (ulong)section.Integer("seed", 42, 0, long.MaxValue),
            Data = data,
            Model = ModelSection.Read(section.Below("model")),
            Loss = RunSections.ReadLoss(section, data.Task),
            Optimizer = RunSections.ReadOptimizer(section.Below("optimizer")),
            Training = RunSections.ReadTraining(section.Below("training")),
            Cluster = RunSections.ReadCluster(section.Below("cluster")),
        };
        section.NotBuilt("checkpoint");
        section.RefuseUnknown();
        return new ExperimentResult(problems.Problems.Count == 0 ? experiment : null, problems.Problems);
    }

    private static YamlMappingNode? Parse(string yaml, ProblemList problems)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            if (stream.Documents is [{ RootNode: YamlMappingNode root }])
            {
                return root;
            }

            problems.Add(null, "", stream.Documents.Count == 0 ? "the file is empty. It needs data and model." : "the file must be one section of keys such as data: and model:.");
        }
        catch (YamlException problem)
        {
            var tab = yaml.Split('\n').Any(static line => line.TrimStart(' ').StartsWith('\t')) ? " Indent with spaces, not tabs." : "";
            problems.Problems.Add(new Problem(problems.File, (int)problem.Start.Line, "", $"this is not YAML: {problem.Message}{tab}"));
        }
        catch (ArgumentException problem)
        {
            problems.Add(null, "", $"this is not YAML: {problem.Message}");
        }

        return null;
    }

    private static string ReadName(Section section, string fileName)
    {
        var name = section.Text("name") ?? Path.GetFileNameWithoutExtension(fileName);
        if (name.Length == 0 || name.Any(static letter => !char.IsLetterOrDigit(letter) && letter is not ('-' or '_' or '.')) || name.StartsWith('.'))
        {
            section.Problems.Add(section.Find("name"), "name", $"'{name}' cannot name a folder. Use letters, digits, - and _.");
        }

        return name;
    }

    private static void Override(YamlMappingNode root, string text, ProblemList problems)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            problems.Problems.Add(new Problem("--set", 0, "", $"'{text}' is not of the form key=value, such as optimizer.learning-rate=0.01."));
            return;
        }

        YamlNode value;
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text[(equals + 1)..]));
            value = stream.Documents.Count == 0 ? new YamlScalarNode("") : stream.Documents[0].RootNode;
        }
        catch (YamlException problem)
        {
            problems.Problems.Add(new Problem("--set", 0, text[..equals], $"the value is not YAML: {problem.Message}"));
            return;
        }

        problems.MarkOverride(value);
        var path = text[..equals].Split('.');
        YamlNode at = root;
        for (var i = 0; i < path.Length; i++)
        {
            var last = i == path.Length - 1;
            switch (at)
            {
                case YamlMappingNode mapping:
                    var key = mapping.Children.Keys.FirstOrDefault(child => child is YamlScalarNode scalar && scalar.Value == path[i]) ?? new YamlScalarNode(path[i]);
                    problems.MarkOverride(key);
                    if (last || !mapping.Children.TryGetValue(key, out var child) || Section.IsNull(child))
                    {
                        mapping.Children[key] = last ? value : new YamlMappingNode();
                    }

                    at = mapping.Children[key];
                    break;
                case YamlSequenceNode list when int.TryParse(path[i], out var index) && index >= 0 && index < list.Children.Count:
                    if (last)
                    {
                        list.Children[index] = value;
                    }

                    at = list.Children[index];
                    break;
                default:
                    problems.Problems.Add(new Problem("--set", 0, text[..equals], $"there is nothing at '{path[i]}' to set."));
                    return;
            }
        }
    }
}
