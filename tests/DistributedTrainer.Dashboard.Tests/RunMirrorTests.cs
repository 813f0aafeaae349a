using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Dashboard.Mirroring;
using DistributedTrainer.Dashboard.Serving;
using DistributedTrainer.Dashboard.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>Run folders elsewhere are mirrored as they change, by questions that a coordinator's own answers.</summary>
public sealed class RunMirrorTests : IDisposable
{
    private readonly SampleRun _run = new();
    private readonly RunMirror _mirror = new("10.0.0.1:4053");
    private readonly List<IProtocolMessage> _asked = [];

    public void Dispose()
    {
        _mirror.Dispose();
        _run.Dispose();
    }

    [Fact]
    public async Task Small_files_come_of_every_run_and_those_that_grow_of_one_that_is_looked_at()
    {
        _run.Step(1, 2.5);
        _run.Write("environment.json", "{}");
        _run.Write("model.safetensors", "not shown");
        Assert.True(await Round());
        Assert.Equal(["environment.json", "experiment.yaml"], Names());
        Assert.False(await Round());

        _mirror.Want("digits-1");
        Assert.True(await Round());
        Same("metrics.jsonl");
        Assert.Equal(["environment.json", "experiment.yaml", "metrics.jsonl"], Names());
    }

    [Fact]
    public async Task What_is_added_to_a_file_comes_and_nothing_twice()
    {
        await Wanted();
        _run.Append("metrics.jsonl", new string('a', 3 * RunFileNames.LargestAnswer));
        await Round();
        Same("metrics.jsonl");
        _run.Step(2, 2);
        _asked.Clear();
        Assert.True(await Round());
        Same("metrics.jsonl");
        var mark = Assert.Single(_asked.OfType<RunFiles.AskNews>()).Marks.Single(static mark => mark.File == "metrics.jsonl");
        Assert.Equal((3 * RunFileNames.LargestAnswer) + 1, mark.Length);
    }

    [Fact]
    public async Task A_file_that_was_cut_off_or_written_anew_is_read_from_its_beginning()
    {
        await Wanted();
        foreach (var step in Enumerable.Range(1, 9))
        {
            _run.Step(step, step);
        }

        await Round();
        var lines = await File.ReadAllLinesAsync(_run.In("metrics.jsonl"));
        _run.Write("metrics.jsonl", string.Join('\n', lines[..4]) + "\n");
        Assert.True(await Round());
        Same("metrics.jsonl");

        // Longer than what was known, and another one.
        _run.Write("metrics.jsonl", string.Join('\n', lines.Reverse()) + "\n");
        Assert.True(await Round());
        Same("metrics.jsonl");
        _run.Write("metrics.jsonl", "");
        Assert.True(await Round());
        Same("metrics.jsonl");
    }

    [Fact]
    public async Task A_file_that_is_replaced_comes_anew_and_one_that_is_gone_goes()
    {
        await Wanted();
        _run.Result();
        await Round();
        Same("result.json");

        // Of the same length.
        _run.Write("experiment.yaml", "name: digits\nseed: 43\n");
        File.SetLastWriteTimeUtc(_run.In("experiment.yaml"), DateTime.UtcNow.AddSeconds(5));
        Assert.True(await Round());
        Same("experiment.yaml");

        // As where a run is resumed.
        File.Delete(_run.In("result.json"));
        Assert.True(await Round());
        Assert.Equal(["experiment.yaml"], Names());
    }

    [Fact]
    public async Task A_replaced_file_of_several_pieces_is_there_when_it_is_whole_and_one_that_is_too_large_is_not()
    {
        await Wanted();
        _run.Write("result.json", new string('r', (2 * RunFileNames.LargestAnswer) + 5));
        var answers = 0;
        await _mirror.RoundAsync(
            (question, _) =>
            {
                Assert.True(answers == 0 || !File.Exists(Here("result.json")));
                answers += question is RunFiles.AskNews ? 1 : 0;
                return Task.FromResult<IProtocolMessage?>(Answer(question));
            },
            CancellationToken.None);
        Assert.Equal(3, answers);
        Same("result.json");
        _run.Write("result.json", new string('r', RunFileNames.LargestReplaced + 1));
        await Round();
        Assert.False(File.Exists(Here("result.json")));
    }

    [Theory]
    [InlineData("../digits-1")]
    [InlineData("..")]
    [InlineData("/tmp/dtrain-none")]
    [InlineData("a/b")]
    public async Task A_run_whose_name_is_a_path_is_not_taken(string name)
    {
        await _mirror.RoundAsync(
            (question, _) => Task.FromResult<IProtocolMessage?>(question is RunFiles.AskRuns ? new RunFiles.Runs([new(name, 1)], false) : throw new InvalidOperationException("nothing is asked of it")),
            CancellationToken.None);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_mirror.Root));
    }

    [Fact]
    public async Task Files_of_other_names_and_pieces_that_do_not_follow_are_not_written_and_end_the_questions()
    {
        await _mirror.RoundAsync(
            (question, _) => Task.FromResult<IProtocolMessage?>(
                question is RunFiles.AskRuns
                    ? new RunFiles.Runs([new("r", 1)], false)
                    : new RunFiles.News(
                        "r", true, [new("../evil", 0, 1, 0, [1]), new("model.safetensors", 0, 1, 0, [1]), new("metrics.jsonl", 7, 8, 0, [1]), new("log.txt", 0, 1, 0, [1, 2]), new("result.json", 0, 1L << 40, 0, [1])], true)),
            CancellationToken.None);
        Assert.Equal([Path.Combine(_mirror.Root, "r")], Directory.EnumerateFileSystemEntries(_mirror.Root, "*", SearchOption.AllDirectories));
        Assert.False(File.Exists(Path.Combine(_mirror.Root, "evil")));
    }

    [Fact]
    public async Task Where_nobody_answers_what_came_stays_and_it_goes_on_when_somebody_does()
    {
        await Wanted();
        Assert.False(await _mirror.RoundAsync(static (_, _) => Task.FromResult<IProtocolMessage?>(null), CancellationToken.None));
        Same("experiment.yaml");
        _run.Step(1, 1);
        Assert.True(await Round());
        Same("metrics.jsonl");

        // A coordinator that does not know the run (yet) takes nothing away.
        var empty = new RunShelf(Path.Combine(_run.Root, "none"), new Dictionary<string, string>());
        await _mirror.RoundAsync((question, _) => Task.FromResult<IProtocolMessage?>(question is RunFiles.AskRuns runs ? empty.List(runs.After) : empty.News((RunFiles.AskNews)question)), CancellationToken.None);
        Same("metrics.jsonl");
    }

    [Fact]
    public async Task The_page_shows_them_and_says_where_a_model_is_looked_at()
    {
        _run.Step(1, 2.5);
        await using var server = await DashboardServer.StartAsync(_mirror, "127.0.0.1", 0, null);
        using var stop = new CancellationTokenSource();
        var follows = _mirror.FollowAsync((question, _) => Task.FromResult<IProtocolMessage?>(Answer(question)), stop.Token);
        using var client = new HttpClient { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(2) };
        await Events(client, "/api/events", "\"digits-1\"");

        // Whoever asks for it makes that its steps come.
        await Events(client, "/api/events?run=digits-1", "\"loss\":[2.5]");
        var review = await client.GetAsync("/api/review?run=digits-1");
        Assert.Equal(System.Net.HttpStatusCode.Conflict, review.StatusCode);
        Assert.Contains("with the coordinator of 10.0.0.1:4053", await review.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => follows);
    }

    private static async Task Events(HttpClient client, string path, string awaited)
    {
        using var reader = new StreamReader(await client.GetStreamAsync(path));
        while (!(await reader.ReadLineAsync() ?? throw new EndOfStreamException()).Contains(awaited, StringComparison.Ordinal))
        {
        }
    }

    private async Task Wanted()
    {
        await Round();
        _mirror.Want("digits-1");
        await Round();
    }

    private Task<bool> Round() =>
        _mirror.RoundAsync(
            (question, _) =>
            {
                _asked.Add(question);
                return Task.FromResult<IProtocolMessage?>(Answer(question));
            },
            CancellationToken.None);

    private IProtocolMessage Answer(IProtocolMessage question)
    {
        var shelf = new RunShelf(_run.Root, new Dictionary<string, string>());
        return question is RunFiles.AskRuns runs ? shelf.List(runs.After) : shelf.News((RunFiles.AskNews)question);
    }

    private string Here(string file) => Path.Combine(_mirror.Root, "digits-1", file);

    private IEnumerable<string> Names() => Directory.EnumerateFiles(Path.Combine(_mirror.Root, "digits-1")).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    private void Same(string file) => Assert.Equal(File.ReadAllText(_run.In(file)), File.ReadAllText(Here(file)));
}
