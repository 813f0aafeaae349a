using System.Text.RegularExpressions;
using DistributedTrainer.Cli.Commands;

namespace DistributedTrainer.Cli.Tests.Deployment;

/// <summary>Settings from the environment: checked together, and all of them documented.</summary>
public sealed partial class EnvironmentSettingsTests
{
    [Fact]
    public void Everything_that_is_wrong_is_said_at_once_with_what_to_write()
    {
        var problems = Of(
            ("DTRAIN_PORT", "40530000"), ("DTRAIN_JOIN", "10.0.0.1"), ("DTRAIN_WORKERS", "0"), ("DTRAIN_HOST", "no host"), ("DTRAIN_GO_ON", "yes"),
            ("DTRAIN_HEALTH_PORT", "x"), ("DTRAIN_CONFIG", "/missing.conf"), ("DTRAIN_EXPERIMENT", "/missing.yaml"), ("DTRAIN_HELD_BYTES", "64 MB")).Problems;
        Assert.Equal(9, problems.Count);
        Assert.Contains("DTRAIN_PORT: '40530000' is not right. Write a port from 0 to 65535.", problems);
        Assert.Contains("DTRAIN_JOIN: '10.0.0.1' is not right. Write HOST:PORT, several with commas between them.", problems);
    }

    [Fact]
    public void What_is_right_or_empty_is_taken()
    {
        var settings = Of(
            ("DTRAIN_PORT", "4053"), ("DTRAIN_JOIN", "coordinator:4053,10.0.0.3:4053"), ("DTRAIN_HOST", "hostname"), ("DTRAIN_BIND", "0.0.0.0"),
            ("DTRAIN_GO_ON", "true"), ("DTRAIN_EXPERIMENT", "digits"), ("DTRAIN_HELD_BYTES", "0"), ("DTRAIN_CONFIG", ""), ("PATH", "/bin"));
        Assert.Empty(settings.Problems);
        Assert.Empty(settings.Unknown);
        Assert.Equal(4053, settings.Number("DTRAIN_PORT"));
        Assert.Null(settings["DTRAIN_CONFIG"]);
        Assert.Null(settings.Number("DTRAIN_WORKERS"));
    }

    [Fact]
    public void A_variable_that_means_nothing_is_noticed() =>
        Assert.Equal(["DTRAIN_JION"], Of(("DTRAIN_JION", "a:1"), ("DTRAIN_JOIN", "a:1")).Unknown);

    [Fact]
    public void Sources_read_no_other_variable()
    {
        var read = Directory.EnumerateFiles(Path.Combine(RepositoryFiles.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(static file => Name().Matches(File.ReadAllText(file))).Select(static match => match.Value).Distinct();
        Assert.Equal(Names(), read.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_table_of_the_documentation_lists_them()
    {
        var rows = File.ReadLines(Path.Combine(RepositoryFiles.Root, "docs", "cluster.md")).Select(static line => Row().Match(line)).Where(static match => match.Success);
        Assert.Equal(Names(), rows.Select(static match => match.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Names() => EnvironmentSettings.All.Select(static setting => setting.Name).Order(StringComparer.Ordinal);

    private static EnvironmentSettings Of(params (string Name, string Value)[] variables) => new(variables.ToDictionary(static one => one.Name, static one => one.Value));

    [GeneratedRegex("DTRAIN_[A-Z][A-Z_]*[A-Z]")]
    private static partial Regex Name();

    [GeneratedRegex("^\\| `(DTRAIN_[A-Z_]+)` \\|")]
    private static partial Regex Row();
}
