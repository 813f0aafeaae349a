using DistributedTrainer.Experiments.Reading;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments;

/// <summary>Reads an experiment file and reports all of its problems at once.</summary>
public static class ExperimentReader
{
    private const int LongestName = 100;

    /// <summary>Reads an experiment. Nothing on disk is touched.</summary>
    /// <param name="yaml">The file's text.</param>
    /// <param name="fileName">Named in problems; its stem is the default of <c>name</c>, with - for what a folder's name cannot hold.</param>
    /// <param name="overrides"><c>key=value</c> each, the key a dotted path such as <c>optimizer.learning-rate</c> or <c>model.layers.0.linear</c>, the value YAML; later ones win.</param>
    public static ExperimentResult Read(string yaml, string fileName, IReadOnlyList<string> overrides)
    {
        var problems = new ProblemList(Path.GetFileName(fileName));
        if (Parse(yaml, problems) is not { } root)
        {
            return new ExperimentResult(null, problems.InOrder());
        }

        foreach (var text in overrides)
        {
            Overrides.Apply(root, text, problems);
        }

        var section = new Section(root, "", problems);
        var (name, seed) = (ReadName(section, fileName), section.Natural("seed", 42));
        var data = DataSection.Read(section.Below("data", "source: digits"));
        var model = ModelSection.Read(section.Below("model", "layers: [ linear: 10 ]"));
        var loss = LossSection.Read(section, data);
        var experiment = new Experiment
        {
            Name = name,
            Seed = seed,
            Data = data,
            Model = model,
            Loss = loss,
            Optimizer = OptimizerSection.Read(section.Below("optimizer", "kind: adam")),
            Training = TrainingSection.Read(section.Below("training", "epochs: 20"), data, loss),
            Cluster = ClusterSection.Read(section.Below("cluster", "workers: 2")),
            Checkpoint = CheckpointSection.Read(section.Below("checkpoint", "every-steps: 100")),
            Tune = section.Find("tune") is null ? null : TuneSection.Read(section.Below("tune", "search: random, trials: 20"), loss),
        };
        section.RefuseUnknown();
        return new ExperimentResult(problems.Count == 0 ? experiment : null, problems.InOrder());
    }

    private static YamlMappingNode? Parse(string yaml, ProblemList problems)
    {
        var node = YamlText.Parse(yaml, (line, key, message) => problems.AddLine(line, key, message));
        if (node is YamlMappingNode root)
        {
            return root;
        }

        if (problems.Count == 0)
        {
            problems.Add(
                Section.IsNull(node) ? null : node,
                "",
                Section.IsNull(node)
                    ? "the file is empty. It needs data and model."
                    : $"{Section.Text(node!)} is all there is, but the file must be a section with keys such as data: and model:. Write a space after each colon.");
        }

        return null;
    }

    private static string ReadName(Section section, string fileName)
    {
        if (section.Text("name") is not { } name)
        {
            var stem = string.Concat(Path.GetFileNameWithoutExtension(fileName).Select(static letter => IsPlain(letter) ? letter : '-')).TrimStart('.');
            return stem.Length == 0 ? "experiment" : stem[..Math.Min(stem.Length, LongestName)];
        }

        if (name.Length is 0 or > LongestName || !name.All(IsPlain) || name.StartsWith('.'))
        {
            section.Problems.Add(section.Find("name"), "name", $"{Section.Quoted(name)} cannot name a folder. Write at most {LongestName} letters, digits, - and _.");
        }

        return name;
    }

    private static bool IsPlain(char letter) => char.IsLetterOrDigit(letter) || letter is '-' or '_' or '.';
}
