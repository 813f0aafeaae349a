using System.Text.Json;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>The fields of a JSON object, read by name; what is missing, of another type or unknown is named.</summary>
internal sealed class JsonFields : IDisposable
{
    private readonly string _name;
    private readonly Dictionary<string, JsonElement> _fields;
    private readonly JsonDocument? _document;

    private JsonFields(string name, JsonElement element, JsonDocument? document = null)
    {
        (_name, _document) = (name, document);
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{name}: an object belongs here, not {element.ValueKind}.");
        }

        _fields = [];
        foreach (var field in element.EnumerateObject())
        {
            if (!_fields.TryAdd(field.Name, field.Value))
            {
                throw new InvalidDataException($"{name}: {field.Name} is there twice.");
            }
        }
    }

    public static JsonFields Parse(string name, string json)
    {
        try
        {
            var document = JsonDocument.Parse(json);
            return new JsonFields(name, document.RootElement, document);
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException($"{name}: the metadata is no JSON: {problem.Message}", problem);
        }
    }

    public bool Has(string key) => _fields.ContainsKey(key);

    public string Text(string key) => Take(key, "text", static element => element.GetString() ?? throw new InvalidOperationException());

    public int Int(string key) => Take(key, "a whole number", static element => element.GetInt32());

    public long Int64(string key) => Take(key, "a whole number", static element => element.GetInt64());

    public ulong UInt64(string key) => Take(key, "a whole number", static element => element.GetUInt64());

    public float Float(string key) => Take(key, "a number", static element => element.GetSingle());

    public double Double(string key) => Take(key, "a number", static element => element.GetDouble());

    public bool Bool(string key) => Take(key, "true or false", static element => element.GetBoolean());

    public Shape Shape(string key) => Take(key, "a list of sizes", static element => new Shape([.. element.EnumerateArray().Select(static size => size.GetInt32())]));

    public string Choice(string key, params string[] choices)
    {
        var text = Text(key);
        return choices.Contains(text) ? text : throw new InvalidDataException($"{_name}: {key} is {text}; possible are {string.Join(", ", choices)}.");
    }

    public JsonFields Object(string key) => new($"{_name}.{key}", Take(key, "an object", static element => element));

    public List<JsonFields> Objects(string key)
    {
        var elements = Take(key, "a list", static element => element.EnumerateArray().ToArray());
        return [.. elements.Select((element, i) => new JsonFields($"{_name}.{key}[{i}]", element))];
    }

    /// <summary>An error that says where.</summary>
    public InvalidDataException Problem(string text) => new($"{_name}: {text}");

    /// <summary>All fields must have been read: one that is not known may change what the others mean.</summary>
    public void Close()
    {
        if (_fields.Count > 0)
        {
            throw new InvalidDataException($"{_name}: {string.Join(", ", _fields.Keys)} is not known to this version of the library.");
        }
    }

    public void Dispose() => _document?.Dispose();

    private T Take<T>(string key, string what, Func<JsonElement, T> read)
    {
        if (!_fields.Remove(key, out var element))
        {
            throw new InvalidDataException($"{_name}: {key} is missing.");
        }

        try
        {
            return read(element);
        }
        catch (Exception problem) when (problem is InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"{_name}: {key} is {element.GetRawText()}, it must be {what}.", problem);
        }
    }
}
