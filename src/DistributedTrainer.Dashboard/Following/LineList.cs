using System.Text.Json;

namespace DistributedTrainer.Dashboard.Following;

/// <summary>Items that came since the last look. With a reset what was sent before is void.</summary>
internal sealed record Lines<T>(bool Reset, IReadOnlyList<T> Items);

/// <summary>
/// Lines in bounded memory. Once there are too many, some that are less needed go; the generation grows where what was
/// handed out before is void.
/// </summary>
/// <param name="most">Lines.</param>
/// <param name="isNeeded">Lines that go last.</param>
internal sealed class LineList<T>(int most, Func<T, bool> isNeeded)
{
    private readonly List<T> _items = [];

    public int Generation { get; private set; }

    public int Count => _items.Count;

    public IReadOnlyList<T> Items => _items;

    public void Clear()
    {
        _items.Clear();
        Generation++;
    }

    public void Add(T item)
    {
        _items.Add(item);
        if (_items.Count <= most)
        {
            return;
        }

        // Every second one of what is not needed, and if that is not enough the oldest half.
        var place = 0;
        _items.RemoveAll(line => !isNeeded(line) && (++place & 1) == 0);
        if (_items.Count > most / 4 * 3)
        {
            _items.RemoveRange(0, _items.Count - (most / 2));
        }

        Generation++;
    }
}

/// <summary>Up to where a reader has seen a list.</summary>
internal record struct Cursor(int Generation, int Count)
{
    /// <summary>Nothing yet: the first look is a reset.</summary>
    public static Cursor Start => new(-1, 0);

    /// <summary>What is new of a list; null: nothing.</summary>
    public Lines<T>? Take<T>(LineList<T> list)
    {
        if (Generation == list.Generation && Count == list.Count)
        {
            return null;
        }

        var reset = Generation != list.Generation;
        var lines = new Lines<T>(reset, [.. list.Items.Skip(reset ? 0 : Count)]);
        (Generation, Count) = (list.Generation, list.Count);
        return lines;
    }

    /// <inheritdoc cref="Take{T}"/>
    public MetricColumns? Take(MetricSeries series)
    {
        if (Generation == series.Generation && Count == series.Count)
        {
            return null;
        }

        var reset = Generation != series.Generation;
        var columns = series.From(reset ? 0 : Count, reset);
        (Generation, Count) = (series.Generation, series.Count);
        return columns;
    }
}

/// <summary>Lines of JSON.</summary>
internal static class JsonLine
{
    /// <summary>The object of a line; null: it is none, such as a line of which only a part was written.</summary>
    public static JsonElement? Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
