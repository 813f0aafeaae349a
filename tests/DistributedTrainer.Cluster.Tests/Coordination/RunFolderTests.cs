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

    [Theory]
    [InlineData(-3, 0)]
    [InlineData(7, 7)]
    [InlineData(400_000, 24)]
    public void How_long_a_run_was_not_watched_is_never_absurd_whatever_was_done_to_the_clock(int hoursAgo, int hours)
    {
        using (RunFolder.Create(Place, "name: test"))
        {
        }

        File.SetLastWriteTimeUtc(Path.Combine(Place, "metrics.jsonl"), DateTime.UtcNow.AddHours(-hoursAgo));
        Assert.Equal(hours, RunFolder.UnwatchedFor(Place).TotalHours, 0.1);
        Assert.Equal(TimeSpan.Zero, RunFolder.UnwatchedFor(Path.Combine(Place, "nowhere")));
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

    [Fact]
    public void Going_on_keeps_what_belongs_to_the_steps_before_and_ends_an_earlier_result()
    {
        using (var folder = RunFolder.Create(Place, "name: first"))
        {
            folder.Log("hello");
            folder.Metric(new { Step = 1, Loss = 0.5 });
            folder.Metric(new { Step = 2, Loss = 0.25 });
            folder.Metric(new { Step = 2, ValidationLoss = 0.25 });
            folder.Metric(new { Step = 3, Loss = 0.125 });
            folder.Result(new { Steps = 3 });
        }

        using (var folder = RunFolder.GoOn(Place, "name: second", 2, out var lines))
        {
            Assert.Equal([1L, 2L], lines.Select(static line => line.Step));
            folder.Log("again");
            folder.Metric(new { Step = 3, Loss = 0.125 });
        }

        Assert.Equal("name: second", Read("experiment.yaml"));
        Assert.Equal("{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n{\"step\":3,\"loss\":0.125}\n", Read("metrics.jsonl"));
        Assert.Matches(" hello\n.* again\n$", Read("log.txt"));
        Assert.False(File.Exists(Path.Combine(Place, "result.json")));
        Assert.Empty(Directory.GetFiles(Place, "*.tmp"));
    }

    [Theory]
    [InlineData(20L, 10L, true)]
    [InlineData(25L, 20L, false)]
    [InlineData(null, 30L, false)]
    public void Going_on_keeps_descriptions_of_versions_that_do_not_come_again(long? step, long described, bool waits)
    {
        WeightLine Line(long version) => WeightLine.Of(version, [new Protocol.ParameterSummary("0.weight", 8, double.NegativeInfinity, 1, double.NaN, 2, [3, 5])], version < 30 ? [0.5] : null);
        using (var folder = RunFolder.Create(Place, "name: first"))
        {
            Array.ForEach([0, 10, 20, 30], version => folder.Weights(Line(version)));
        }

        // A process that was killed while it wrote.
        File.AppendAllText(Path.Combine(Place, "weights.jsonl"), "{\"step\":40,\"tens");
        using (var folder = RunFolder.GoOn(Place, "name: second", step, out _))
        {
            Assert.Equal(described, folder.Described);
            Assert.Equal(waits ? step : null, folder.LastDescription?.Step);
            folder.Weights(Line(50));
        }

        var lines = Read("weights.jsonl").TrimEnd('\n').Split('\n');
        Assert.Equal((described / 10) + 2, lines.Length);
        Assert.StartsWith("{\"step\":50,", lines[^1], StringComparison.Ordinal);
        Assert.Equal("{\"step\":10,\"tensors\":[{\"name\":\"0.weight\",\"elements\":8,\"low\":\"-Infinity\",\"high\":1,\"mean\":\"NaN\",\"norm\":2,\"gradientNorm\":0.5,\"counts\":[3,5]}]}", lines[1]);
    }

    [Fact]
    public void Going_on_leaves_no_moment_without_a_whole_experiment()
    {
        RunFolder.Create(Place, "name: first").Dispose();
        using var reader = new StreamReader(Path.Combine(Place, "experiment.yaml"));
        using var folder = RunFolder.GoOn(Place, "name: second", 0, out _);
        Assert.Equal("name: first", reader.ReadToEnd());
    }

    [Fact]
    public void Going_on_without_metrics_begins_them()
    {
        Directory.CreateDirectory(Place);
        using (var folder = RunFolder.GoOn(Place, "name: second", 0, out var lines))
        {
            Assert.Empty(lines);
            Assert.Null(folder.Memory);
            folder.Metric(new { Step = 1, Loss = 0.5 });
        }

        Assert.Equal("{\"step\":1,\"loss\":0.5}\n", Read("metrics.jsonl"));
    }

    [Fact]
    public void A_memory_that_is_damaged_is_none()
    {
        using var folder = RunFolder.Create(Place, "name: test");
        var memory = new ProgressMemory(1.5, [], new EvaluatedVersion(4, new Protocol.SetSums(double.NaN, 2, 3), null, null), null);
        folder.Remember(memory);
        Assert.Equal((1.5, memory.Last), (folder.Memory!.Seconds, folder.Memory.Last));
        File.WriteAllText(Path.Combine(Place, "progress.json"), Read("progress.json")[..20]);
        Assert.Null(folder.Memory);
    }

    private string Read(string name) => File.ReadAllText(Path.Combine(Place, name));
}
