using System.Text;
using DistributedTrainer.Dashboard.Following;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>A file is read as it grows, and anew where another one took its place.</summary>
public sealed class FollowedFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dtrain-dashboard-");

    private string Name => Path.Combine(_folder.FullName, "lines");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Each_look_gives_the_lines_that_came_since()
    {
        var file = new FollowedFile(Name);
        Assert.Empty(Read(file));
        File.WriteAllText(Name, "one\ntwo\n");
        Assert.Equal(["one", "two"], Read(file));
        Assert.Empty(Read(file));
        File.AppendAllText(Name, "three\n");
        Assert.Equal(["three"], Read(file));
    }

    [Fact]
    public void A_line_of_which_only_a_part_was_written_waits_for_the_rest()
    {
        var file = new FollowedFile(Name);
        File.WriteAllText(Name, "one\ntw");
        Assert.Equal(["one"], Read(file));
        File.AppendAllText(Name, "o\n");
        Assert.Equal(["two"], Read(file));
    }

    [Theory]
    [InlineData("one\n", "(again) one")]
    [InlineData("one\nother\nthree\nfour\n", "(again) one other three four")]
    [InlineData("one\ntwo\nthree\n", "three")]
    [InlineData("", "(again)")]
    public void A_file_in_its_place_is_read_anew_unless_it_begins_alike(string text, string read)
    {
        var file = new FollowedFile(Name);
        File.WriteAllText(Name, "one\ntwo\n");
        Read(file);
        File.WriteAllText(Name + ".tmp", text);
        File.Move(Name + ".tmp", Name, overwrite: true);
        Assert.Equal(read.Split(' '), Read(file));
    }

    [Fact]
    public void A_file_that_is_away_for_a_moment_is_the_same_afterwards()
    {
        var file = new FollowedFile(Name);
        File.WriteAllText(Name, "one\n");
        Read(file);
        File.Move(Name, Name + ".away");
        Assert.Empty(Read(file));
        File.Move(Name + ".away", Name);
        File.AppendAllText(Name, "two\n");
        Assert.Equal(["two"], Read(file));
    }

    [Fact]
    public void Of_a_long_file_the_end_is_enough_where_only_that_is_wanted()
    {
        File.WriteAllLines(Name, Enumerable.Range(0, 100_000).Select(static i => $"line {i:00000}"));
        var lines = Read(new FollowedFile(Name, tailOnly: true));
        Assert.InRange(lines.Count, 1000, 10_000);
        Assert.Equal(("line 99999", 10), (lines[^1], lines[0].Length));
        Assert.Equal(100_000, Read(new FollowedFile(Name)).Count);
    }

    [Fact]
    public void A_line_without_end_is_left_out_and_the_next_ones_are_read()
    {
        File.WriteAllText(Name, $"one\n{new string('x', 9 << 20)}\ntwo\n");
        Assert.Equal(["one", "two"], Read(new FollowedFile(Name)));
    }

    [Fact]
    public void Long_lines_across_the_borders_of_reads_stay_whole()
    {
        var lines = Enumerable.Range(1, 40).Select(static i => new string((char)('a' + (i % 26)), i * 7919)).ToArray();
        File.WriteAllLines(Name, lines);
        Assert.Equal(lines, Read(new FollowedFile(Name)));
    }

    private static List<string> Read(FollowedFile file)
    {
        var lines = new List<string>();
        file.Read(() => lines.Add("(again)"), line => lines.Add(Encoding.UTF8.GetString(line.Span)));
        return lines;
    }
}
