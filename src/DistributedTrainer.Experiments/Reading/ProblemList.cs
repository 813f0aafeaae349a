using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Where problems go, with the file and line of the node that is to blame.</summary>
internal sealed class ProblemList(string file)
{
    private const string Set = "--set";
    private readonly HashSet<YamlNode> _overrides = new(ReferenceEqualityComparer.Instance);
    private readonly List<(Problem Problem, int Column)> _problems = [];

    public int Count => _problems.Count;

    /// <summary>All of them: those of the whole file, those of its lines from top to bottom, those of overrides.</summary>
    public IReadOnlyList<Problem> InOrder() =>
        [.. _problems.OrderBy(static item => item.Problem.File == Set).ThenBy(static item => item.Problem.Line).ThenBy(static item => item.Column).Select(static item => item.Problem)];

    /// <summary>Marks a node that came with --set and has no line.</summary>
    public void MarkOverride(YamlNode node) => _overrides.UnionWith(node.AllNodes);

    public bool IsOverride(YamlNode? node) => node is not null && _overrides.Contains(node);

    /// <summary>Blames a node; null: the whole file.</summary>
    public void Add(YamlNode? node, string key, string message)
    {
        if (IsOverride(node))
        {
            AddOverride(key, message);
        }
        else
        {
            // A pair in a list between brackets has no start of its own; its key has.
            var start = (node is YamlMappingNode { Children: [var first, ..] } ? first.Key : node)?.Start;
            AddLine((int)(start?.Line ?? 0), key, message, (int)(start?.Column ?? 0));
        }
    }

    public void AddLine(int line, string key, string message, int column = 0) => _problems.Add((new Problem(file, line, key, message), column));

    public void AddOverride(string key, string message) => _problems.Add((new Problem(Set, 0, key, message), 0));
}
