using System.Globalization;
using System.Text;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>How the files in examples/data came to be; a test compares.</summary>
internal static class ExampleData
{
    /// <summary>Every file's name and text.</summary>
    public static IReadOnlyDictionary<string, string> Files { get; } = new Dictionary<string, string>
    {
        ["xor.csv"] = "a,b,t\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n",
        ["iris-setosa.csv"] = Setosa(),
        ["curve.csv"] = Curve(12, 1),
        ["curve-validation.csv"] = Curve(60, 2),
        ["valley.csv"] = Valley(64),
    };

    // Iris, its three classes made into two.
    private static string Setosa()
    {
        using var stream = typeof(Data.DatasetReader).Assembly.GetManifestResourceStream("iris.csv")!;
        using var reader = new StreamReader(stream);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return Lines(lines[0].Replace("species", "setosa", StringComparison.Ordinal), lines.Skip(1).Select(static line =>
            line[..line.LastIndexOf(',')] + (line.EndsWith(",setosa", StringComparison.Ordinal) ? ",yes" : ",no")));
    }

    // y = sin(3x) + noise of standard deviation 0.25, x evenly spread over [-1, 1].
    private static string Curve(int rows, ulong seed)
    {
        var noise = new RandomStream(seed, RandomPurpose.Augment);
        return Lines("x,y", Enumerable.Range(0, rows).Select(i =>
        {
            var x = -1 + 2.0 * i / (rows - 1);
            return Line(x, PortableMath.Sin(3 * x) + 0.25 * noise.Normal(i));
        }));
    }

    // t = a + 20 b, where a has a standard deviation of 1 and b of 0.05: a valley 400 times as long as wide.
    private static string Valley(int rows)
    {
        var (first, second) = (new RandomStream(3, RandomPurpose.Augment), new RandomStream(4, RandomPurpose.Augment));
        return Lines("a,b,t", Enumerable.Range(0, rows).Select(i => Line(first.Normal(i), 0.05 * second.Normal(i), first.Normal(i) + second.Normal(i))));
    }

    private static string Line(params IEnumerable<double> values) =>
        string.Join(',', values.Select(static value => value.ToString("0.0000", CultureInfo.InvariantCulture)));

    private static string Lines(string header, IEnumerable<string> rows) =>
        rows.Aggregate(new StringBuilder(header).Append('\n'), static (text, row) => text.Append(row).Append('\n')).ToString();
}
