using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What a .NET team gets: the packages, and the example that uses them.</summary>
public sealed class PackageTests
{
    private static readonly string Sample = Path.Combine(RepositoryRoot.Path, "examples/library");

    private static readonly string Configuration =
        Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(static data => data.Key == "Configuration").Value!;

    [Fact]
    public async Task A_project_with_the_packages_trains_its_own_layer_and_loss_and_processes_come_to_the_same_bits()
    {
        using var directory = new RunDirectory();
        var (project, packages) = (directory.In("sample"), directory.In("sample/packages"));
        Directory.CreateDirectory(packages);
        foreach (var file in Directory.GetFiles(Sample))
        {
            File.Copy(file, Path.Combine(project, Path.GetFileName(file)));
        }

        foreach (var name in (string[])["DistributedTrainer.Engine", "DistributedTrainer"])
        {
            var packed = await Dotnet(project, "pack", Path.Combine(RepositoryRoot.Path, "src", name), "-c", Configuration, "--no-build", "--nologo", "-o", packages);
            Assert.DoesNotContain("warning", packed, StringComparison.OrdinalIgnoreCase);
        }

        Assert.Equal(
            ["DistributedTrainer.0.1.0.nupkg", "DistributedTrainer.0.1.0.snupkg", "DistributedTrainer.Engine.0.1.0.nupkg", "DistributedTrainer.Engine.0.1.0.snupkg"],
            Directory.GetFiles(packages).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // The other packages are where this test's own are; these two go nowhere but into the test's folder.
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        await Dotnet(project, "build", "-c", "Release", "--nologo", $"-p:RestorePackagesPath={directory.In("cache")}", $"-p:RestoreFallbackFolders={cache}");
        var assembly = Path.Combine(project, "bin/Release/net10.0/LibrarySample.dll");
        Assert.Equal(
            await File.ReadAllBytesAsync(Path.Combine(AppContext.BaseDirectory, "DistributedTrainer.Engine.dll")),
            await File.ReadAllBytesAsync(Path.Combine(Path.GetDirectoryName(assembly)!, "DistributedTrainer.Engine.dll")));

        var said = (await Dotnet(project, assembly)).Split('\n', StringSplitOptions.TrimEntries);
        Assert.Equal(5, said.Count(static line => line.StartsWith("gradient of ", StringComparison.Ordinal) && line.EndsWith(": right", StringComparison.Ordinal)));
        Assert.Contains("larger: yes, no", said);
        var hash = said.Single(static line => line.StartsWith("the same: ", StringComparison.Ordinal))["the same: ".Length..];

        // Workers are processes here, which load the file from their disk.
        string[] train = ["train", Path.Combine(project, "own.yaml"), "--run-dir", directory.Run, "--json", "--set", "cluster.workers=2"];
        var (code, output, errors) = await Dtrain.Run([.. train, "--extension", assembly]);
        Assert.True(code == 0, output + errors);
        Assert.Equal(hash, JsonDocument.Parse(output).RootElement.GetProperty("parametersSha256").GetString());
        var without = await Dtrain.RunWithin(train);
        Assert.Equal(2, without.Code);
        Assert.Contains("model.layers.1: there is no layer 'scaled-gate'", without.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_documentation_shows_is_code_of_the_example()
    {
        var code = Directory.GetFiles(Sample, "*.cs").Select(static file => Trimmed(File.ReadAllLines(file))).ToArray();
        var lines = File.ReadAllLines(Path.Combine(RepositoryRoot.Path, "docs/library.md"));
        var snippets = 0;
        for (var start = Array.IndexOf(lines, "```csharp"); start >= 0; start = Array.IndexOf(lines, "```csharp", start + 1))
        {
            var snippet = Trimmed(lines[(start + 1)..Array.IndexOf(lines, "```", start)]);
            Assert.True(Array.Exists(code, text => text.Contains(snippet, StringComparison.Ordinal)), $"docs/library.md shows what examples/library does not hold:\n{snippet}");
            snippets++;
        }

        Assert.True(snippets >= 6);
    }

    private static string Trimmed(IEnumerable<string> lines) => string.Join('\n', lines.Select(static line => line.Trim()).Where(static line => line.Length > 0));

    private static async Task<string> Dotnet(string directory, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = directory };

        // Of the test's own run.
        foreach (var name in (string[])["MSBUILD_EXE_PATH", "MSBuildExtensionsPath", "MSBuildSDKsPath", "MSBuildLoadMicrosoftTargetsReadOnly"])
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Dtrain.Limit);
        var said = await output + await errors;
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)}\n{said}");
        return said;
    }
}
