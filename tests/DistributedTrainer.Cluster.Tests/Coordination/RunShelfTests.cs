using System.Text;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>What a coordinator shows of run folders, and that it shows nothing else.</summary>
public sealed class RunShelfTests : IDisposable
{
    private static readonly Dictionary<string, string> Nothing = [];

    private readonly TemporaryFolder _folder = new();

    private string Runs => Path.Combine(_folder.Path, "runs");

    private RunShelf Shelf => new(Runs, Nothing);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Runs_are_listed_by_their_names_page_by_page_and_their_state_changes_with_their_files()
    {
        Assert.Empty(Shelf.List("").Listed);
        Directory.CreateDirectory(Path.Combine(Runs, "no-run"));
        for (var number = 0; number <= RunShelf.MostListed; number++)
        {
            Write($"r{number:000}", "experiment.yaml", "a");
        }

        var first = Shelf.List("");
        Assert.Equal((RunShelf.MostListed, true, "r000"), (first.Listed.Length, first.More, first.Listed[0].Name));
        var second = Shelf.List(first.Listed[^1].Name);
        Assert.Equal(("r100", false), (Assert.Single(second.Listed).Name, second.More));

        Assert.Equal(first.Listed, Shelf.List("").Listed);
        Write("r000", "log.txt", "a\n");
        var again = Shelf.List("");
        Assert.NotEqual(first.Listed[0], again.Listed[0]);
        Assert.Equal(first.Listed[1..], again.Listed[1..]);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("../secret")]
    [InlineData("r/../../secret")]
    [InlineData("r/")]
    [InlineData("r\0")]
    [InlineData("R")]
    public void A_run_is_looked_up_by_its_name_and_no_path_leads_elsewhere(string name)
    {
        Write("r", "experiment.yaml", "a");
        Directory.CreateDirectory(Path.Combine(_folder.Path, "secret"));
        File.WriteAllText(Path.Combine(_folder.Path, "secret", "experiment.yaml"), "secret");
        File.WriteAllText(Path.Combine(_folder.Path, "experiment.yaml"), "secret");
        var news = Shelf.News(new RunFiles.AskNews(name, [], true));
        Assert.Equal((false, 0), (news.IsKnown, news.Pieces.Length));

        // Nor does the full path of a folder.
        Assert.False(Shelf.News(new RunFiles.AskNews(Path.Combine(_folder.Path, "secret"), [], true)).IsKnown);
        Assert.True(Shelf.News(new RunFiles.AskNews("r", [], true)).IsKnown);
    }

    [Fact]
    public void No_other_file_is_shown_whatever_is_asked_for()
    {
        Write("r", "experiment.yaml", "a");
        Write("r", "model.safetensors", "secret");
        File.WriteAllText(Path.Combine(_folder.Path, "secret"), "secret");
        var news = Shelf.News(new RunFiles.AskNews("r", [new("model.safetensors", 0, 0, []), new("../../secret", 0, 0, [])], true));
        Assert.Equal(["experiment.yaml"], news.Pieces.Select(static piece => piece.File));
    }

    [Fact]
    public void A_run_in_another_folder_is_found_by_its_name_too()
    {
        var other = Path.Combine(_folder.Path, "other", "mine");
        Directory.CreateDirectory(other);
        File.WriteAllText(Path.Combine(other, "experiment.yaml"), "b");
        var shelf = new RunShelf(Runs, new Dictionary<string, string> { ["mine"] = other });
        Assert.Equal("mine", Assert.Single(shelf.List("").Listed).Name);
        Assert.Equal("b", Encoding.UTF8.GetString(Assert.Single(shelf.News(new RunFiles.AskNews("mine", [], false)).Pieces).Bytes));
    }

    [Fact]
    public void An_answer_is_bounded_and_says_that_there_is_more()
    {
        Write("r", "experiment.yaml", "a");
        Write("r", "metrics.jsonl", new string('m', RunFileNames.LargestAnswer));
        Write("r", "log.txt", "l\n");
        var news = Shelf.News(new RunFiles.AskNews("r", [], true));
        Assert.True(news.More);
        Assert.Equal(RunFileNames.LargestAnswer, news.Pieces.Sum(static piece => piece.Bytes.Length));

        var small = Shelf.News(new RunFiles.AskNews("r", [], false));
        Assert.Equal((false, 1), (small.More, small.Pieces.Length));
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(2, 1)]
    [InlineData(long.MaxValue, 256)]
    [InlineData(4, 300)]
    public void A_mark_that_cannot_be_makes_that_the_file_comes_anew(long length, int witness)
    {
        Write("r", "experiment.yaml", "a");
        Write("r", "log.txt", "1234");
        var piece = Shelf.News(new RunFiles.AskNews("r", [new("log.txt", length, 0, new byte[witness])], true)).Pieces.Single(static piece => piece.File == "log.txt");
        Assert.Equal((0, "1234"), (piece.Offset, Encoding.UTF8.GetString(piece.Bytes)));
    }

    private void Write(string run, string file, string text)
    {
        Directory.CreateDirectory(Path.Combine(Runs, run));
        File.WriteAllText(Path.Combine(Runs, run, file), text);
    }
}
