using System.Text.Json;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>
/// Reference values: one JSON file a topic, { "source": …, "cases": [ … ] }, arrays as { "shape": […], "values": […] }.
/// They lie in golden/ beside the tests; the environment variable GOLDEN_DIR names another folder of the same form.
/// </summary>
internal static class GoldenFile
{
    /// <summary>The whole file of a topic.</summary>
    public static JsonElement Root(string topic)
    {
        var folder = Environment.GetEnvironmentVariable("GOLDEN_DIR");
        var path = Path.Combine(string.IsNullOrEmpty(folder) ? Path.Combine(AppContext.BaseDirectory, "golden") : folder, topic + ".json");
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    /// <summary>The cases of a topic.</summary>
    public static IReadOnlyList<JsonElement> Cases(string topic) => [.. Root(topic).GetProperty("cases").EnumerateArray()];

    /// <summary>Number and name of each case, for a theory; fails where a topic has none.</summary>
    public static TheoryData<int, string> Names(string topic)
    {
        var names = new TheoryData<int, string>();
        foreach (var (index, element) in Cases(topic).Index())
        {
            names.Add(index, element.GetProperty("name").GetString()!);
        }

        return names;
    }

    public static int[] Shape(this JsonElement array) => [.. array.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32())];

    public static double[] Doubles(this JsonElement array) =>
        [.. (array.ValueKind == JsonValueKind.Array ? array : array.GetProperty("values")).EnumerateArray().Select(static value => value.GetDouble())];

    public static float[] Floats(this JsonElement array) => [.. array.Doubles().Select(static value => (float)value)];

    /// <summary>Fails where |actual − expected| is above both the relative and the absolute tolerance.</summary>
    public static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, string what, double relative = 1e-5, double absolute = 1e-6)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            Near(expected[i], actual[i], $"{what}[{i}]", relative, absolute);
        }
    }

    public static void Near(double expected, double actual, string what, double relative = 1e-5, double absolute = 1e-6) =>
        Assert.True(
            Math.Abs(actual - expected) <= Math.Max(absolute, relative * Math.Abs(expected)), $"{what} is {actual:R}, the reference is {expected:R}");
}

/// <summary>The parameters of a case: one that no test has read is an error, so a reference is never half understood.</summary>
internal sealed class GoldenParameters(JsonElement element)
{
    private readonly HashSet<string> _read = [];

    public double Get(string name)
    {
        _read.Add(name);
        return element.GetProperty(name).GetDouble();
    }

    public double Get(string name, double otherwise)
    {
        _read.Add(name);
        return element.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;
    }

    public void AllRead() => Assert.Empty(element.EnumerateObject().Select(static property => property.Name).Except(_read));
}
