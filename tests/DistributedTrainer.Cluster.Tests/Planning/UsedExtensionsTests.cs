using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Planning;

public sealed class UsedExtensionsTests
{
    private const string Yaml = "data: { source: iris }\nmodel: { layers: [ residual: [ cluster-test-half: ], linear: 3 ] }";

    private static readonly Extension Own = ExtensionRegistry.Use(typeof(ClusterTestHalf).Assembly);

    [Fact]
    public void An_experiment_names_the_extensions_that_it_uses_and_no_others()
    {
        Assert.Equal([new Nodes.ExtensionFile(Own.Name, Own.Sha256)], UsedExtensions.Of(ExperimentReader.Read(Yaml, "e.yaml", []).Experiment!)!);
        Assert.Null(UsedExtensions.Of(ExperimentReader.Read("data: { source: iris }\nmodel: { layers: [ linear: 3 ] }", "e.yaml", []).Experiment!));
        Assert.Equal(64, Own.Sha256.Length);
    }

    [Fact]
    public void A_node_with_the_same_file_prepares_the_run() => Assert.Empty(Problems(new Nodes.ExtensionFile(Own.Name, Own.Sha256)));

    [Fact]
    public void A_node_with_another_file_or_none_refuses_it_and_says_which() => Assert.Equal(
        [
            $"the extension {Own.Name} is another file here than at the coordinator: {Own.File} has the SHA-256 {Own.Sha256}, and 00ff there. Give all nodes the same file.",
            "the experiment uses layers or losses of the extension Elsewhere (SHA-256 00ff), which is not loaded here. Start the node with --extension Elsewhere.dll.",
        ],
        [.. Problems(new Nodes.ExtensionFile(Own.Name, "00ff")), .. Problems(new Nodes.ExtensionFile("Elsewhere", "00ff"))]);

    private static List<string> Problems(Nodes.ExtensionFile file)
    {
        var problems = new List<string>();
        var prepare = new Nodes.Prepare(new RunId("r"), 1, Yaml, "/", "/runs/r", false, null, [file]);
        var (plan, _) = NodePlan.Create(prepare, null, hasWorkers: true, static _ => { }, problems);
        Assert.Equal(problems.Count == 0, plan is not null);
        return problems;
    }
}

/// <summary>y = x / 2.</summary>
[ExtensionName("cluster-test-half")]
public sealed record ClusterTestHalf : CustomLayer
{
    protected override Shape Declare(LayerDeclaration layer, Shape input) => input;

    protected override void Forward(in LayerForward pass)
    {
        for (var i = 0; i < pass.X.Length; i++)
        {
            pass.Y[i] = pass.X[i] / 2;
        }
    }

    protected override void Backward(in LayerBackward pass)
    {
        for (var i = 0; i < pass.X.Length; i++)
        {
            pass.Dx[i] = pass.Dy[i] / 2;
        }
    }
}
