using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

/// <summary>What a coordinator that nobody stands beside does next.</summary>
public sealed class StandingOrdersTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_any_run_the_first_experiment_is_begun()
    {
        var first = First();
        Assert.Same(first, Orders(first).Next());
        Assert.Null(Orders(null).Next());
        Assert.Null((Orders(null) with { Runs = Path.Combine(_folder.Path, "missing") }).Next());
    }

    [Fact]
    public void The_first_experiment_is_begun_once()
    {
        Run("first", ended: "result.json");
        Assert.Null(Orders(First()).Next());
    }

    [Fact]
    public void The_newest_run_that_was_interrupted_goes_on()
    {
        Run("old", ended: null, age: 3);
        var folder = Run("new", ended: null, age: 1);
        Run("done", ended: "result.json");
        Run("failed", ended: "ended.txt");
        var next = Orders(First()).Next()!;
        Assert.Equal((folder, folder, true, false), (next.RunDirectory, next.BaseDirectory, next.Resume, next.EndCluster));
        Assert.Equal("name: new", next.ExperimentYaml);
    }

    [Fact]
    public void The_first_run_goes_on_too_when_it_was_interrupted()
    {
        var folder = Run("first", ended: null);
        Assert.Equal((folder, true), Orders(First()).Next() is { } next ? (next.RunDirectory, next.Resume) : default);
    }

    private StandingOrders Orders(Submissions.Submit? first) => new() { Runs = _folder.Path, First = first };

    private Submissions.Submit First() => new("name: first", "first.yaml", "", Path.Combine(_folder.Path, "first"), EndCluster: false, Resume: false);

    private string Run(string name, string? ended, int age = 0)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder.Path, name)).FullName;
        var file = Path.Combine(folder, "experiment.yaml");
        File.WriteAllText(file, $"name: {name}");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-age));
        if (ended is not null)
        {
            File.WriteAllText(Path.Combine(folder, ended), "{}");
        }

        return folder;
    }
}
