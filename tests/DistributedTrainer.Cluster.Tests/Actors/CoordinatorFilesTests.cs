using System.Text;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A coordinator shows a visitor the files of its run, and of nothing else.</summary>
public sealed class CoordinatorFilesTests : CoordinatorTest
{
    [Fact]
    public void A_visitor_is_shown_the_run_that_goes_on_wherever_its_folder_is()
    {
        Hosted("w0");
        var visitor = CreateTestProbe("visitor");
        Coordinator.Tell(new RunFiles.AskRuns(""), visitor.Ref);
        Assert.Contains("run", visitor.ExpectMsg<RunFiles.Runs>().Listed.Select(static run => run.Name));

        Coordinator.Tell(new RunFiles.AskNews("run", [], Growing: true), visitor.Ref);
        var news = visitor.ExpectMsg<RunFiles.News>();
        Assert.True(news.IsKnown);
        var files = news.Pieces.ToDictionary(static piece => piece.File, static piece => Encoding.UTF8.GetString(piece.Bytes));
        Assert.Equal(File.ReadAllText(Path.Combine(RunDirectory, "experiment.yaml")), files["experiment.yaml"]);
        Assert.Contains("w0 registered", files["log.txt"], StringComparison.Ordinal);

        Coordinator.Tell(new RunFiles.AskNews("../" + Path.GetFileName(Path.GetDirectoryName(RunDirectory)), [], Growing: true), visitor.Ref);
        Assert.False(visitor.ExpectMsg<RunFiles.News>().IsKnown);
    }
}
