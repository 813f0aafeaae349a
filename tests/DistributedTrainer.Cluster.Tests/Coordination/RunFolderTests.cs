using System.Security.Cryptography;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    private string Place => Path.Combine(_temporary.Path, "deep", "run");

    [Fact]
    public void The_folder_begins_with_experiment_metrics_and_log()
    {
        using (var folder = RunFolder.Create(Place, "name: test"))
        {
            folder.Log("hello");
            folder.Metric(new { Step = 1, Loss = 0.5 });
        }

        Assert.Equal("name: test", Read("experiment.yaml"));
        Assert.EndsWith(" hello\n", Read("log.txt"), StringComparison.Ordinal);
        Assert.Equal("{\"step\":1,\"loss\":0.5}\n", Read("metrics.jsonl"));
    }

    [Fact]
    public void A_folder_with_a_result_is_refused_and_left_as_it_is()
    {
        using (var folder = RunFolder.Create(Place, "name: first"))
        {
            folder.Result(new { Steps = 1 });
        }

        var problem = Assert.Throws<IOException>(() => RunFolder.Create(Place, "name: second"));
        Assert.Contains("holds another run. Choose another --run-dir, or go on with that run: dtrain resume ", problem.Message, StringComparison.Ordinal);
        Assert.Equal("name: first", Read("experiment.yaml"));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_an_error_with_its_path()
    {
        File.WriteAllText(Path.Combine(_temporary.Path, "deep"), "a file");
        var problem = Assert.ThrowsAny<IOException>(() => RunFolder.Create(Place, "name: test"));
        Assert.Contains(_temporary.Path, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rewritten_files_are_renamed_into_place()
    {
        using var folder = RunFolder.Create(Place, "name: test");
        folder.Nodes(new[] { new { Role = "worker" } });

        // A reader that has the old file open goes on reading the old one, whole.
        using var reader = new StreamReader(Path.Combine(Place, "nodes.json"));
        folder.Nodes(new[] { new { Role = "server" } });
        Assert.Contains("worker", reader.ReadToEnd(), StringComparison.Ordinal);
        Assert.Contains("server", Read("nodes.json"), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Place, "*.tmp"));
    }

    [Fact]
    public void Nodes_are_not_rewritten_without_a_change()
    {
        using var folder = RunFolder.Create(Place, "name: test");
        folder.Nodes(new[] { new { Role = "worker" } });
        File.Delete(Path.Combine(Place, "nodes.json"));
        folder.Nodes(new[] { new { Role = "worker" } });
        Assert.False(File.Exists(Path.Combine(Place, "nodes.json")));
    }

    [Fact]
    public void The_model_is_written_with_names_and_the_hash_of_its_data()
    {
        var plan = new TestExperiment { Layers = ["linear: 2", "batch-norm", "linear: 3"], Partitions = 2 }.Plan();
        var parameters = Enumerable.Range(0, plan.Model.Layout.Length).Select(static i => i * 0.5f).ToArray();
        var buffers = Enumerable.Range(0, plan.Model.Buffers.Length).Select(static i => i * 0.25f).ToArray();
        using var folder = RunFolder.Create(Place, "name: test");
        var hash = folder.Model(plan, parameters, buffers);
        var file = File.ReadAllBytes(Path.Combine(Place, "model.safetensors"));
        var (tensors, metadata) = SafeTensors.Read(file);
        Assert.Equal(["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias", "1.running_mean", "1.running_var"], tensors.Select(static tensor => tensor.Name));
        Assert.Equal([.. parameters, .. buffers], tensors.SelectMany(static tensor => tensor.Values.ToArray()));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file[^((parameters.Length + buffers.Length) * 4)..])), hash);
        Assert.Equal("[\"setosa\",\"versicolor\",\"virginica\"]", metadata["dtrain.classes"]);
        Assert.Contains("batch-norm", metadata["dtrain.experiment"], StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Place, "model.safetensors.tmp")));
    }

    private string Read(string name) => File.ReadAllText(Path.Combine(Place, name));
}
