using System.Text.RegularExpressions;
using DistributedTrainer.Cli.Tests.Deployment;

namespace DistributedTrainer.Cli.Tests.Documentation;

/// <summary>The messages in docs/errors.md are those of the program.</summary>
public sealed class ErrorTextsTests
{
    // Where a message is written, its text is on one line.
    private static readonly string[] Lines =
        [.. Directory.EnumerateFiles(Path.Combine(RepositoryFiles.Root, "src"), "*.cs", SearchOption.AllDirectories).SelectMany(File.ReadLines).Where(static line => line.Contains('"', StringComparison.Ordinal))];

    public static TheoryData<string> Messages => [.. MarkdownTable.Quoted("errors.md", 0)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_message_is_in_the_source_with_something_else_for_each_ellipsis(string message)
    {
        var parts = message.Split('…').Where(static part => part.Any(char.IsLetter)).Select(Regex.Escape).ToArray();
        Assert.True(parts.Sum(static part => part.Length) >= 8, $"{message}: too short to be looked for.");
        var pattern = new Regex(string.Join(".*", parts));
        Assert.True(Array.Exists(Lines, pattern.IsMatch), $"docs/errors.md: nothing under src says: {message}");
    }
}
