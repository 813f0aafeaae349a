using System.Globalization;

namespace DistributedTrainer.Data;

/// <summary>Where a row stands: a line of a text file, or a row of another.</summary>
internal readonly record struct Place(string Source, long Number, bool IsLine)
{
    public override string ToString() => IsLine ? $"{Source}:{Number}" : $"{Source}, row {Number}";
}

/// <summary>The different texts of a column, and which of them stands in each row.</summary>
internal sealed class TextColumn
{
    private readonly Dictionary<string, int> _codes = [];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _find;

    public TextColumn() => _find = _codes.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>In the order in which they were met.</summary>
    public List<string> Texts { get; } = [];

    /// <summary>Where each text was met first.</summary>
    public List<Place> Places { get; } = [];

    /// <summary>For each row, the text's index in <see cref="Texts"/>.</summary>
    public List<int> Codes { get; } = [];

    /// <summary>Adds a row.</summary>
    public int Add(ReadOnlySpan<char> text, Place place)
    {
        text = text.Trim();
        if (!_find.TryGetValue(text, out var code))
        {
            code = Texts.Count;
            Texts.Add(text.ToString());
            _codes.Add(Texts[code], code);
            Places.Add(place);
        }

        Codes.Add(code);
        return code;
    }
}

/// <summary>Numbers categories in the order of their values: by value where all are numbers (1 and 1.0 are the same), otherwise by code point.</summary>
internal static class Categories
{
    /// <returns>The categories' names in order, and the number of each of the texts.</returns>
    public static (string[] Names, int[] Numbers) Order(IReadOnlyList<string> texts)
    {
        var values = texts.Select(Value).ToArray();
        return values.All(static value => value is not null)
            ? Order(texts, values, Comparer<double?>.Default)
            : Order(texts, texts, StringComparer.Ordinal);
    }

    /// <returns>The number of each text's category; -1 where it is none.</returns>
    public static int[] Find(string[] names, IEnumerable<string> texts)
    {
        var values = Array.ConvertAll(names, Value);
        return Array.TrueForAll(values, static value => value is not null)
            ? [.. texts.Select(text => Value(text) is { } value ? Array.IndexOf(values, value) : -1)]
            : [.. texts.Select(text => Array.IndexOf(names, text))];
    }

    private static double? Value(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value : null;

    private static (string[] Names, int[] Numbers) Order<TKey>(IReadOnlyList<string> texts, IReadOnlyList<TKey> keys, IComparer<TKey> comparer)
    {
        var order = Enumerable.Range(0, texts.Count).OrderBy(i => keys[i], comparer).ThenBy(i => texts[i], StringComparer.Ordinal).ToArray();
        var (names, numbers) = (new List<string>(), new int[texts.Count]);
        for (var at = 0; at < order.Length; at++)
        {
            if (at == 0 || comparer.Compare(keys[order[at - 1]], keys[order[at]]) != 0)
            {
                names.Add(texts[order[at]]);
            }

            numbers[order[at]] = names.Count - 1;
        }

        return ([.. names], numbers);
    }
}
