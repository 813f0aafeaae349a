using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>
/// Turns text into a tree of YAML nodes. What an experiment has no use for is refused here, before anything recursive
/// walks over it: deep nesting, aliases that multiply, tags, keys that are lists. Aliases are written out, so that no two
/// places of the tree share a node.
/// </summary>
internal sealed class YamlText
{
    public const int MaximumCharacters = 1_000_000;
    public const int MaximumDepth = 64;
    public const int MaximumValues = 100_000;

    private readonly List<ParsingEvent> _events = [];
    private readonly Dictionary<string, (int Start, int End)> _anchors = [];
    private readonly Parser _parser;
    private readonly Action<int, string, string> _problem;
    private int _depth;

    private YamlText(string yaml, Action<int, string, string> problem)
    {
        (_parser, _problem) = (new Parser(new StringReader(yaml)), problem);
    }

    private int Line => _parser.Current is { } at ? (int)at.Start.Line : 0;

    /// <summary>The root, null where there is none to be had; problems (line, key, message) say why.</summary>
    public static YamlNode? Parse(string yaml, Action<int, string, string> problem)
    {
        if (yaml.Length > MaximumCharacters)
        {
            problem(0, "", $"{yaml.Length} characters are too many: an experiment has {MaximumCharacters} at most. Is this the data instead of the experiment?");
            return null;
        }

        var text = new YamlText(yaml.TrimStart('\uFEFF'), problem);
        try
        {
            return text.Document();
        }
        catch (YamlException error)
        {
            Broken(yaml, (int)error.Start.Line, error.Message, problem);
        }
        catch (InvalidOperationException)
        {
            // The parser's own way to say that a bracket stays open before a key at the margin.
            Broken(yaml, text.Line, "a bracket [ or { is never closed.", problem);
        }

        return null;
    }

    private static void Broken(string yaml, int line, string message, Action<int, string, string> problem)
    {
        var tab = Array.FindIndex(yaml.Split('\n'), static text => text.TrimStart(' ').StartsWith('\t'));
        if (tab >= 0)
        {
            problem(tab + 1, "", "this is not YAML: the line is indented with a tab. Indent with spaces.");
            return;
        }

        var remedy = message.Contains("escape", StringComparison.Ordinal)
            ? "Between double quotes a backslash starts an escape; write single quotes, or / in a path."
            : "Look at the indentation, the colons, the quotes and the brackets in this line and the one above.";
        problem(line, "", $"this is not YAML: {message} {remedy}");
    }

    private YamlNode? Document()
    {
        _parser.MoveNext();
        Emit();
        _parser.MoveNext();
        if (_parser.Current is StreamEnd)
        {
            return null;
        }

        Emit();
        _parser.MoveNext();
        Node("");
        Emit();
        _parser.MoveNext();
        if (_parser.Current is DocumentStart)
        {
            _problem(Line, "", "a second document starts here, after ---. Write one experiment to a file.");
            return null;
        }

        Emit();
        var stream = new YamlStream();
        stream.Load(new Replay(_events));
        return stream.Documents[0].RootNode;
    }

    /// <summary>Takes one node with all below it, and moves behind it.</summary>
    private void Node(string path)
    {
        var start = _events.Count;
        var name = (_parser.Current as NodeEvent)?.Anchor is { IsEmpty: false } anchor ? anchor.Value : null;
        if (name is not null)
        {
            _anchors[name] = (start, -1);
        }

        if (_parser.Current is NodeEvent { Tag.IsEmpty: false } tagged)
        {
            _problem(Line, path, $"the tag {tagged.Tag.Value} means nothing here. Remove it.");
        }

        switch (_parser.Current)
        {
            case AnchorAlias alias:
                Alias(alias, path);
                break;
            case MappingStart:
                Enter();
                Keys(path);
                break;
            case SequenceStart:
                Enter();
                for (var i = 0; _parser.Current is not SequenceEnd; i++)
                {
                    Node(path.Length == 0 ? $"{i}" : $"{path}.{i}");
                }

                Leave();
                break;
            case Scalar:
                Emit();
                break;
            default:
                // The parser lets an alias stand as a key without a value.
                throw new YamlException(_parser.Current!.Start, _parser.Current.End, "a value is missing.");
        }

        if (name is not null)
        {
            _anchors[name] = (start, _events.Count);
        }

        _parser.MoveNext();
    }

    private void Keys(string path)
    {
        var lines = new Dictionary<string, int>();
        while (_parser.Current is not MappingEnd)
        {
            var (start, line) = (_events.Count, Line);
            if (_parser.Current is not Scalar { Value: var key })
            {
                _problem(line, path, "a list, a section or an alias cannot be a key. Write a word before the colon.");
                Node(path);
                Node(path);
                Forget(start);
                continue;
            }

            var below = path.Length == 0 ? key : $"{path}.{key}";
            var again = !lines.TryAdd(key, line);
            if (again)
            {
                _problem(line, below, $"this key is given twice, first in line {lines[key]}. Remove one of them.");
            }

            Node(below);
            Node(below);
            if (again)
            {
                Forget(start);
            }
        }

        Leave();
    }

    private void Alias(AnchorAlias alias, string path)
    {
        var name = alias.Value.Value;
        if (_anchors.TryGetValue(name, out var range) && range.End >= 0)
        {
            for (var i = range.Start; i < range.End; i++)
            {
                Add(_events[i]);
            }

            return;
        }

        _problem(Line, path, _anchors.ContainsKey(name) ? $"*{name} stands inside of &{name} itself. Write the value out." : $"there is no &{name} above for *{name}. Write the value out.");
        Add(new Scalar("null"));
    }

    private void Enter()
    {
        if (++_depth > MaximumDepth)
        {
            throw new YamlException(_parser.Current!.Start, _parser.Current.End, $"more than {MaximumDepth} levels of nesting are too many.");
        }

        Emit();
        _parser.MoveNext();
    }

    private void Leave()
    {
        _depth--;
        Emit();
    }

    private void Emit() => Add(_parser.Current!);

    private void Add(ParsingEvent next)
    {
        if (_events.Count == MaximumValues)
        {
            throw new YamlException(_parser.Current!.Start, _parser.Current.End, $"more than {MaximumValues} values, with aliases written out, are too many.");
        }

        _events.Add(next);
    }

    private void Forget(int start)
    {
        _events.RemoveRange(start, _events.Count - start);
        foreach (var (name, range) in _anchors.ToArray())
        {
            if (range.Start >= start)
            {
                _anchors.Remove(name);
            }
        }
    }

    private sealed class Replay(List<ParsingEvent> events) : IParser
    {
        private int _at = -1;

        public ParsingEvent? Current => _at >= 0 && _at < events.Count ? events[_at] : null;

        public bool MoveNext() => ++_at < events.Count;
    }
}
