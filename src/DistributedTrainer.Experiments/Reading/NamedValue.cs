using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>An item such as <c>relu</c>, <c>dropout: 0.3</c> or <c>linear: { outputs: 10 }</c>: a name, and perhaps a value or keys.</summary>
internal sealed class NamedValue
{
    private NamedValue(YamlNode node, YamlScalarNode name, YamlNode? argument, string key, ProblemList problems)
    {
        (Node, NameNode, Name, Key) = (node, name, name.Value ?? "", key);
        Argument = Section.IsNull(argument) ? null : argument;
        Values = new Section(Argument as YamlMappingNode, $"{key}.{Name}", problems);
    }

    public YamlNode Node { get; }

    public YamlScalarNode NameNode { get; }

    public string Name { get; }

    /// <summary>Dotted path of the item.</summary>
    public string Key { get; }

    /// <summary>What stands behind the name; null: nothing.</summary>
    public YamlNode? Argument { get; }

    /// <summary>The keys behind the name.</summary>
    public Section Values { get; }

    /// <summary>Null: it is none, and a problem says so.</summary>
    /// <param name="node">The item.</param>
    /// <param name="key">Its dotted path.</param>
    /// <param name="what">What the item is, such as <c>a layer</c>.</param>
    /// <param name="example">A right one.</param>
    /// <param name="problems">Where problems go.</param>
    public static NamedValue? Read(YamlNode node, string key, string what, string example, ProblemList problems)
    {
        switch (node)
        {
            case YamlScalarNode { Value: not null } name:
                return new NamedValue(node, name, null, key, problems);
            case YamlMappingNode { Children: [{ Key: YamlScalarNode name, Value: var argument }] }:
                return new NamedValue(node, name, argument, key, problems);
            case YamlMappingNode { Children: [{ Key: YamlScalarNode first }, { Key: YamlScalarNode second }, ..] }:
                problems.Add(node, key, $"{second.Value} stands beside {first.Value}. Indent it to stand below, or write - {first.Value}: {{ {second.Value}: … }}; {what} of its own needs its own dash.");
                return null;
            default:
                problems.Add(node, key, $"{what} is a name, or one name with its values, such as - {example}.");
                return null;
        }
    }

    /// <summary>The value that may stand alone behind the name, or under its key: <c>dropout: 0.3</c> is <c>dropout: { rate: 0.3 }</c>.</summary>
    public (YamlNode? Node, string Key) Main(string name) =>
        Argument is null or YamlMappingNode ? (Values.Find(name), Values.KeyOf(name)) : (Argument, Values.Path);

    /// <summary>The main value as a whole number.</summary>
    /// <returns>1 where it is missing or impossible; a problem says so.</returns>
    public int MainInteger(string name, string missing, int maximum)
    {
        var (value, key) = Main(name);
        if (value is null)
        {
            Missing(missing);
            return 1;
        }

        return (int)Values.Integer(value, key, 1, 1, maximum);
    }

    public void Missing(string message) => Values.Problems.Add(Argument ?? Node, Values.Path, message);

    /// <summary>Refuses whatever stands behind a name that takes nothing.</summary>
    public void TakesNothing()
    {
        if (Argument is not null)
        {
            Values.Problems.Add(Argument, Values.Path, $"{Name} takes no value. Write {Name} alone.");
        }
    }

    /// <summary>Refuses a single value behind a name that takes keys.</summary>
    public void TakesKeys(string example)
    {
        if (Argument is not (null or YamlMappingNode))
        {
            Values.Problems.Add(Argument, Values.Path, $"{Section.Text(Argument)} is not possible. {Name} takes keys: write {Name}: {{ {example} }}.");
        }
    }
}
