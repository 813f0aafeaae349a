using System.Text.RegularExpressions;

namespace DistributedTrainer.Protocol.Tests;

/// <summary>The table in docs/course.md is complete, and what it names exists.</summary>
public sealed partial class CourseTests
{
    private static readonly (char Letter, int Rows)[] Chapters = [('M', 9), ('L', 9), ('A', 7), ('D', 4), ('O', 7), ('I', 5), ('R', 9)];

    private static readonly string[] Sources =
        [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText)];

    private static string[][] Rows { get; } =
        [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "course.md")).Where(static line => FirstCell().IsMatch(line)).Select(static line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries))];

    public static TheoryData<string> Names => [.. Rows.Select(static row => row[0])];

    [Fact]
    public void Every_row_of_the_course_is_there_once_and_in_order() =>
        Assert.Equal(Chapters.SelectMany(static chapter => Enumerable.Range(1, chapter.Rows).Select(row => $"{chapter.Letter}{row}")), Rows.Select(static row => row[0]));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_row_names_files_and_tests_that_exist(string name)
    {
        var row = Rows.Single(row => row[0] == name);
        Assert.Equal(5, row.Length);
        Assert.All(row, Assert.NotEmpty);
        Assert.All(Quoted(row[3], "source"), path => Assert.True(File.Exists(Path.Combine(Repository.Root, "src", "DistributedTrainer." + path)), $"{name}: there is no {path}."));
        Assert.All(Quoted(row[4], "tests"), test => Assert.True(Exists(test), $"{name}: there is no test {test}."));
        Assert.All(
            Example().Matches(row[2]).Select(static match => match.Value),
            path => Assert.True(File.Exists(Path.Combine(Repository.Root, path)), $"{name}: there is no {path}."));

        string[] Quoted(string cell, string column)
        {
            var found = Code().Matches(cell).Select(static match => match.Groups[1].Value).ToArray();
            Assert.True(found.Length > 0, $"{name}: the column {column} names nothing.");
            return found;
        }
    }

    private static bool Exists(string test)
    {
        var (type, method) = test.Split('.') is [var first, var second] ? (first, second) : (test, "");
        return method.Length > 0 && Sources.Any(source =>
            Regex.IsMatch(source, $@"\bclass {Regex.Escape(type)}\b") && Regex.IsMatch(source, $@"\b(void|Task) {Regex.Escape(method)}\("));
    }

    [GeneratedRegex(@"^\| [A-Z]\d+ \|")]
    private static partial Regex FirstCell();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"examples/[\w-]+\.yaml")]
    private static partial Regex Example();
}
