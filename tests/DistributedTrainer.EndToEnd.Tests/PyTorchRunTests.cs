using System.Text.Json;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Whole runs end where PyTorch ends: weights, running statistics, losses, learning rates. PyTorch/generate.py makes the
/// cases and says what is in them.
/// </summary>
public sealed class PyTorchRunTests
{
    // Of a whole run in float32 against one in float64. Near zero the absolute one holds: a weight that passes zero keeps
    // the error that it had on its way.
    private const double Relative = 1e-4;
    private const double Absolute = 1e-6;

    private static readonly string Cases = Path.Combine(AppContext.BaseDirectory, "PyTorch", "cases");

    private static readonly string[] Names = [.. Directory.GetDirectories(Cases).Select(static path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    public static TheoryData<string> All => [.. Names];

    public static TheoryData<string> EveryTenth => [.. Names.Where(static (_, i) => i % 10 == 0)];

    [Theory]
    [MemberData(nameof(All))]
    public Task Golden_run_of_two_workers_in_one_process(string name) => AssertEndsAsPyTorch(name, Dtrain.RunWithin, "--in-process", "--set", "cluster.workers=2");

    [Theory]
    [MemberData(nameof(EveryTenth))]
    public Task Golden_run_of_three_worker_processes(string name) => AssertEndsAsPyTorch(name, static arguments => Dtrain.Run(arguments), "--set", "cluster.workers=3");

    private static async Task AssertEndsAsPyTorch(
        string name, Func<string[], Task<(int Code, string Output, string Errors)>> run, params string[] placement)
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await run(["train", Path.Combine(Cases, name, "experiment.yaml"), "--run-dir", directory.Run, "--json", .. placement]);
        Assert.True(code == 0, output + errors);

        var golden = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Cases, name, "end.json"))).RootElement;
        var differences = new List<string>();
        var steps = directory.Metrics.Where(static line => line.TryGetProperty("loss", out _)).ToArray();
        Compare("loss", golden.GetProperty("curve"), [.. steps.Select(static line => line.GetProperty("loss").GetDouble())], differences);
        Compare("learning rate", golden.GetProperty("rates"), [.. steps.Select(static line => line.GetProperty("learningRate").GetDouble())], differences);
        var evaluations = directory.Metrics.Where(static line => line.TryGetProperty("validationLoss", out _));
        Compare("validation loss", golden.GetProperty("validation"), [.. evaluations.Select(static line => line.GetProperty("validationLoss").GetDouble())], differences);

        var (tensors, _) = SafeTensors.Read(await File.ReadAllBytesAsync(Path.Combine(directory.Run, "model.safetensors")));
        var weights = golden.GetProperty("weights");
        Assert.Equal(weights.EnumerateObject().Select(static weight => weight.Name).Order(), tensors.Select(static tensor => tensor.Name).Order());
        foreach (var tensor in tensors)
        {
            var expected = weights.GetProperty(tensor.Name);
            Assert.Equal(
                expected.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32()),
                Enumerable.Range(0, tensor.Shape.Rank).Select(dimension => tensor.Shape[dimension]));
            Compare(tensor.Name, expected.GetProperty("values"), Array.ConvertAll(tensor.Values.ToArray(), static value => (double)value), differences);
        }

        Assert.True(differences.Count == 0, $"{name} differs from PyTorch in:\n{string.Join('\n', differences)}");
    }

    /// <summary>Notes the worst place of a row of numbers where it is outside the tolerance.</summary>
    private static void Compare(string what, JsonElement golden, double[] found, List<string> differences)
    {
        double[] expected = [.. golden.EnumerateArray().Select(static value => value.GetDouble())];
        if (expected.Length != found.Length)
        {
            differences.Add($"{what}: {found.Length} values, PyTorch has {expected.Length}");
            return;
        }

        // Written so that a NaN is outside too.
        var outside = Enumerable.Range(0, found.Length)
            .Where(i => !(Math.Abs(found[i] - expected[i]) <= Math.Max(Relative * Math.Abs(expected[i]), Absolute))).ToArray();
        if (outside.Length > 0)
        {
            var worst = outside.MaxBy(i => Math.Abs(found[i] - expected[i]));
            differences.Add($"{what}: {outside.Length} of {found.Length}, first at {outside[0]}, worst at {worst}: {found[worst]:R}, PyTorch has {expected[worst]:R}");
        }
    }
}
