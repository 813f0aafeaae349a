namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The README's commands do what it says.</summary>
public sealed class ReadmeTests
{
    private static readonly string[] Kinds = ["rose", "tulip", "lily"];
    private const string Prefix = "dotnet run -c Release --project src/DistributedTrainer.Cli -- ";

    public static TheoryData<string> Commands => [.. Lines().Where(static line => line.StartsWith(Prefix, StringComparison.Ordinal)).Select(static line => line[Prefix.Length..])];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Commands_of_the_quick_start_work(string command)
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await Dtrain.Run(command.Split(' '), directory.In("."));
        Assert.True(code == 0, output + errors);
        Assert.Single(Directory.GetDirectories(directory.In("runs")));
    }

    [Fact]
    public async Task The_experiment_for_ones_own_data_trains()
    {
        using var directory = new RunDirectory();
        var lines = Lines();
        var start = Array.IndexOf(lines, "```yaml") + 1;
        await File.WriteAllLinesAsync(directory.In("flowers.yaml"), lines[start..Array.IndexOf(lines, "```", start)]);
        var rows = Enumerable.Range(0, 90).Select(static i => $"{i % 3 + (i * 7 % 10 / 20.0):0.00},{5 - i % 3 + (i * 3 % 10 / 20.0):0.00},{Kinds[i % 3]}");
        await File.WriteAllLinesAsync(directory.In("flowers.csv"), rows.Prepend("length,width,kind"));
        var (code, output, errors) = await Dtrain.Run(["train", "flowers.yaml", "--run-dir", directory.Run], directory.In("."));
        Assert.True(code == 0, output + errors);
        Assert.True(directory.Result.GetProperty("metrics").GetProperty("testAccuracy").GetDouble() > 0.9, output);
    }

    private static string[] Lines() => File.ReadAllLines(Repository.PathOf("README.md"));
}
