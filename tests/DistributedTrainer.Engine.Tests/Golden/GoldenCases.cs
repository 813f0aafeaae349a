using System.Text.Json;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>Reads tests/golden, or the folder that the environment variable GOLDEN_DIR names (other seeds, sizes and parameters, the same form).</summary>
internal static class GoldenCases
{
    private static string Folder => Environment.GetEnvironmentVariable("GOLDEN_DIR") is { Length: > 0 } other ? other : Path.Combine(AppContext.BaseDirectory, "golden");

    /// <summary>A whole file, by its name without ".json".</summary>
    public static GoldenCase Whole(string file) =>
        new(file, JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, file + ".json"))).RootElement);

    /// <summary>The entries under "cases"; of a file without them, the file as the only one.</summary>
    public static GoldenCase[] Cases(string file)
    {
        var whole = Whole(file);
        return whole.Has("cases") ? [.. whole.Parts("cases").Select(part => new GoldenCase(file, part.Json))] : [whole];
    }

    /// <summary>Theory rows: number and key of the cases that can be built.</summary>
    public static TheoryData<int, string> Rows(string file, Func<GoldenCase, bool> known)
    {
        var rows = new TheoryData<int, string>();
        foreach (var (index, golden) in Cases(file).Index())
        {
            if (known(golden))
            {
                rows.Add(index, golden.Key);
            }
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
    public int[] Integers => Array.ConvertAll(Values, static value => (int)value);

    /// <summary>Rows: the first size.</summary>
    public int Rows => Sizes[0];

    /// <summary>Shape of one row.</summary>
    public Shape Row => new(Sizes.AsSpan(1));
}

/// <summary>One case of a golden file.</summary>
internal sealed record GoldenCase(string File, JsonElement Json)
{
    /// <summary>The name; empty where the case has none.</summary>
    public string Name => Has("name") ? Text("name") : "";

    /// <summary>File, name and the names of the parameters, such as "optimizers/adam(beta1,beta2,epsilon,learningRate)".</summary>
    public string Key
    {
        get
        {
            var parameters = Has("parameters") ? string.Join(',', Json.GetProperty("parameters").EnumerateObject().Select(static p => p.Name).Order(StringComparer.Ordinal)) : "";
            return (Name.Length == 0 ? File : $"{File}/{Name}") + (parameters.Length == 0 ? "" : $"({parameters})");
        }
    }

    public bool Has(string name) => Json.TryGetProperty(name, out _);

    public string Text(string name) => Json.GetProperty(name).GetString()!;

    public double Number(string name) => Json.GetProperty(name).GetDouble();

    /// <summary>An array with shape and values, or a plain list.</summary>
    public GoldenArray Array(string name) => ReadArray(Json.GetProperty(name));

    public GoldenCase Part(string name) => new(File, Json.GetProperty(name));

    public IEnumerable<GoldenCase> Parts(string name) => Json.GetProperty(name).EnumerateArray().Select(part => new GoldenCase(File, part));

    /// <summary>A list of lists.</summary>
    public double[][] Lists(string name) => [.. Json.GetProperty(name).EnumerateArray().Select(static list => ReadArray(list).Values)];

    /// <summary>Arrays by name, such as weights or gradients.</summary>
    public Dictionary<string, GoldenArray> Arrays(string name) =>
        Json.GetProperty(name).EnumerateObject().ToDictionary(static entry => entry.Name, static entry => ReadArray(entry.Value));

    public bool HasParameter(string name) => Json.GetProperty("parameters").TryGetProperty(name, out _);

    /// <summary>A number among the parameters, or the default where it is not given.</summary>
    public double Parameter(string name, double? defaultValue = null) =>
        HasParameter(name) ? Json.GetProperty("parameters").GetProperty(name).GetDouble() : defaultValue ?? throw new KeyNotFoundException($"{Key} has no parameter {name}.");

    /// <summary>A switch among the parameters, or the default where it is not given.</summary>
    public bool Switch(string name, bool defaultValue) => HasParameter(name) ? Json.GetProperty("parameters").GetProperty(name).GetBoolean() : defaultValue;

    /// <summary>Whether there is no parameter but these: one that the builder does not know must not be passed over.</summary>
    public bool HasOnly(params string[] names) => Json.GetProperty("parameters").EnumerateObject().All(parameter => names.Contains(parameter.Name));

    private static GoldenArray ReadArray(JsonElement json)
    {
        var values = json.ValueKind == JsonValueKind.Array ? json : json.GetProperty("values");
        double[] numbers = [.. values.EnumerateArray().Select(static value => value.GetDouble())];
        int[] sizes = json.ValueKind == JsonValueKind.Array ? [numbers.Length] : [.. json.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32())];
        return new GoldenArray(sizes, numbers);
    }
}
