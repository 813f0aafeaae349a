using System.Text.RegularExpressions;
using DistributedTrainer.Cli.Tests.Deployment;

namespace DistributedTrainer.Cli.Tests.Documentation;

/// <summary>The tables of a page of the documentation.</summary>
internal static partial class MarkdownTable
{
    /// <summary>What stands between backticks in one column of all tables of a page, each once.</summary>
    /// <param name="page">Its name in docs.</param>
    /// <param name="column">From 0.</param>
    /// <exception cref="InvalidOperationException">A row has another number of cells than three.</exception>
    public static IReadOnlyList<string> Quoted(string page, int column) =>
        [.. RepositoryFiles.Read("docs", page).Split('\n')
            .Where(static line => line.StartsWith('|') && !line.StartsWith("|-", StringComparison.Ordinal))
            .Select(static line => Border().Split(line)[1..^1])
            .Select(cells => cells.Length == 3 ? cells : throw new InvalidOperationException($"{page}: a row has {cells.Length} cells: {string.Join('|', cells)}"))
            .SelectMany(cells => Code().Matches(cells[column]).Select(static match => match.Groups[1].Value.Replace("\\|", "|", StringComparison.Ordinal)))
            .Distinct()];

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex Border();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
