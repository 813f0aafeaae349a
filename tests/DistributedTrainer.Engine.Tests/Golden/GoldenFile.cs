using System.Text.Json;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>
/// Reads reference values: one JSON file a topic, { "source": …, "cases": [ … ] }, arrays as { "shape": […], "values": […] }.
/// They lie in golden/ beside the tests; the environment variable GOLDEN_DIR names another folder of the same form (other
/// seeds, sizes and parameters).
/// </summary>
internal static class GoldenFile
{
    public static string Folder => Environment.GetEnvironmentVariable("GOLDEN_DIR") is { Length: > 0 } other ? other : Path.Combine(AppContext.BaseDirectory, "golden");

    /// <summary>A whole file, by its name without ".json".</summary>
    public static GoldenCase Whole(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, file + ".json")));
        return new GoldenCase(file, document.RootElement.Clone());
    }

    /// <summary>The entries under "cases"; of a file without them, the file as the only one.</summary>
    public static GoldenCase[] Cases(string file)
    {
        var whole = Whole(file);
        return whole.Has("cases") ? [.. whole.Parts("cases")] : [whole];
    }

    /// <summary>Number and key of each case, for a theory, which fails where a file has none.</summary>
    public static TheoryData<int, string> Rows(string file)
    {
        var rows = new TheoryData<int, string>();
        foreach (var (index, golden) in Cases(file).Index())
        {
            rows.Add(index, golden.Key);
        }

        return rows;
    }
}

/// <summary>An array of a golden file, row-major.</summary>
internal sealed record GoldenArray(int[] Sizes, double[] Values)
{
    /// <summary>The values as float32; inputs are exact in it.</summary>
    public float[] Floats => Array.ConvertAll(Values, static value => (float)value);

    /// <summary>The values as whole numbers.</summary>
    public int[] Integers => Array.ConvertAll(Values, static value => value == (int)value ? (int)value : throw new ArgumentException($"golden: {value} is no whole number."));

    /// <summary>Rows: the first size.</summary>
    public int Rows => Sizes[0];

    /// <summary>Shape of one row.</summary>
    public Shape Row => new(Sizes.AsSpan(1));
}

/// <summary>One case of a golden file. Which parameters were read is kept in mind: one that no test knows must not be passed over.</summary>
internal sealed class GoldenCase(string file, JsonElement json)
{
    private readonly HashSet<string> _read = [];

    /// <summary>The name; empty where the case has none.</summary>
    public string Name => Has("name") ? Text("name") : "";

    /// <summary>File, name and the names of the parameters, such as "optimizers/adam(beta1,beta2,epsilon,learningRate)".</summary>
    public string Key
    {
        get
        {
            var parameters = string.Join(',', Parameters.Order(StringComparer.Ordinal));
            return (Name.Length == 0 ? file : $"{file}/{Name}") + (parameters.Length == 0 ? "" : $"({parameters})");
        }
    }

    private IEnumerable<string> Parameters => Has("parameters") ? json.GetProperty("parameters").EnumerateObject().Select(static p => p.Name) : [];

    public bool Has(string name) => json.TryGetProperty(name, out _);

    public string Text(string name) => json.GetProperty(name).GetString()!;

    public double Number(string name) => json.GetProperty(name).GetDouble();

    /// <summary>A list of texts.</summary>
    public string[] Texts(string name) => [.. json.GetProperty(name).EnumerateArray().Select(static text => text.GetString()!)];

    /// <summary>An array with shape and values, or a plain list.</summary>
    public GoldenArray Array(string name) => ReadArray(json.GetProperty(name));

    public GoldenCase Part(string name) => new(file, json.GetProperty(name));

    public IEnumerable<GoldenCase> Parts(string name) => json.GetProperty(name).EnumerateArray().Select(part => new GoldenCase(file, part));

    /// <summary>A list of lists.</summary>
    public double[][] Lists(string name) => [.. json.GetProperty(name).EnumerateArray().Select(static list => ReadArray(list).Values)];

    /// <summary>Arrays by name, such as weights or gradients.</summary>
    public Dictionary<string, GoldenArray> Arrays(string name) =>
        json.GetProperty(name).EnumerateObject().ToDictionary(static entry => entry.Name, static entry => ReadArray(entry.Value));

    /// <summary>A number among the parameters, or the default where it is not given.</summary>
    public double Parameter(string name, double? defaultValue = null) =>
        Find(name)?.GetDouble() ?? defaultValue ?? throw new ArgumentException($"{Key} has no parameter {name}.");

    /// <summary>A switch among the parameters, or the default where it is not given.</summary>
    public bool Switch(string name, bool defaultValue) => Find(name)?.GetBoolean() ?? defaultValue;

    /// <summary>Fails where a parameter was not read: the test does not know it, and the reference would be half understood.</summary>
    public void AllRead() => Assert.Empty(Parameters.Except(_read));

    /// <summary>The error for a name that the test does not know.</summary>
    public ArgumentException Unknown(string name) => new($"golden: {name} of {Key} is unknown to the test. Add it.");

    private JsonElement? Find(string name)
    {
        _read.Add(name);
        return json.GetProperty("parameters").TryGetProperty(name, out var value) ? value : null;
    }

    private static GoldenArray ReadArray(JsonElement json)
    {
        var values = json.ValueKind == JsonValueKind.Array ? json : json.GetProperty("values");
        double[] numbers = [.. values.EnumerateArray().Select(static value => value.GetDouble())];
        int[] sizes = json.ValueKind == JsonValueKind.Array ? [numbers.Length] : [.. json.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32())];
        return new GoldenArray(sizes, numbers);
    }
}
