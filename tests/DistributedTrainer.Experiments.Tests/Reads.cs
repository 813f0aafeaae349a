namespace DistributedTrainer.Experiments.Tests;

/// <summary>Short ways to read an experiment.</summary>
internal static class Reads
{
    public const string FileName = "test.yaml";

    /// <summary>An experiment with what every experiment must have, in its first four lines.</summary>
    public const string Minimal = "data: { source: digits }\nmodel:\n  layers:\n    - linear: 10\n";

    public static Experiment Good(string yaml, params string[] overrides)
    {
        var result = ExperimentReader.Read(yaml, FileName, overrides);
        Assert.True(result.Experiment is not null, string.Join('\n', result.Problems));
        Assert.Empty(result.Problems);
        return result.Experiment;
    }

    public static string[] Problems(string yaml, params string[] overrides)
    {
        var result = ExperimentReader.Read(yaml, FileName, overrides);
        Assert.True(result.Experiment is null == result.Problems.Count > 0);
        return [.. result.Problems.Select(static problem => problem.ToString())];
    }

    /// <summary>The one problem of the minimal experiment with more lines, which start at line 5.</summary>
    public static string Problem(string more, params string[] overrides) => Assert.Single(Problems(Minimal + more, overrides));

    /// <summary>The one problem of an experiment with other layers, which start at line 3.</summary>
    public static string LayerProblem(string layers) => Assert.Single(Problems($"data: {{ source: digits }}\nmodel:\n  layers: {layers}\n"));
}
