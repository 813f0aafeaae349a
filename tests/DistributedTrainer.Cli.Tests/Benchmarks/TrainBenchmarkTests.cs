using System.Text.Json;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class TrainBenchmarkTests
{
    private static readonly TrainSettings Settings = new() { Network = BenchNetwork.Perceptron("5-3-2", batchNorm: false, [])!, Batch = 10, Steps = 2, Repeat = 3, Rows = 100 };

    [Fact]
    public void A_run_is_warm_after_five_seconds_of_steps()
    {
        var course = new TrainCourse(steps: 100, windows: 3);
        course.Heard(View(0, 0), At(0));
        course.Heard(View(50, 40), At(5));
        course.Heard(View(200, 190), At(9.9));
        Assert.Null(course.Warm);
        course.Heard(View(210, 200), At(10));
        Assert.Equal(210, course.Warm?.Step);
    }

    [Fact]
    public void A_slow_run_is_warm_only_after_a_window_of_steps()
    {
        var course = new TrainCourse(steps: 100, windows: 1);
        course.Heard(View(1, 1), At(0));
        course.Heard(View(99, 99), At(10));
        Assert.Null(course.Warm);
        course.Heard(View(100, 100), At(10.1));
        Assert.NotNull(course.Warm);
    }

    [Fact]
    public void A_run_is_not_warm_before_its_workers_told_their_costs()
    {
        var course = new TrainCourse(steps: 1, windows: 1);
        course.Heard(View(5, null), At(0));
        course.Heard(View(500, null), At(6));
        Assert.Null(course.Warm);
    }

    [Fact]
    public void Enough_is_measured_when_all_windows_are_over_and_all_costs_are_known()
    {
        var course = new TrainCourse(steps: 10, windows: 3);
        course.Heard(View(1, 0), At(0));
        course.Heard(View(100, 90), At(5));
        course.Heard(View(129, 129), At(5.2));
        Assert.Null(course.End);
        course.Heard(View(130, 90), At(5.4));
        Assert.Null(course.End);
        course.Heard(View(150, 100), At(5.6));
        Assert.Equal(150, course.End?.Step);
        course.Heard(View(170, 170), At(5.8));
        Assert.Equal(150, course.End?.Step);
    }

    [Fact]
    public void The_best_window_counts_and_costs_are_those_since_the_run_was_warm()
    {
        // Step 4 was the last of the warm-up, applied at second 3; the windows then take 0.5, 0.25 and 1 s.
        double[] seconds = [0, 1, 2, 3, 3.2, 3.5, 3.6, 3.75, 4, 4.75, 9];
        var rate = TrainRate.Of(Settings, View(4, 4), View(11, 14), seconds, "unix", peak: 0.001);
        Assert.Equal([80, 160, 40], rate.Windows);
        Assert.Equal((160, 8, 80), (rate.SamplesPerSecond, rate.StepsPerSecond, rate.MedianSamplesPerSecond));
        // 160 rows/s · 96 operations of 10⁶ a second and core.
        Assert.Equal(Math.Round(160 * 96 / (1e6 * Math.Min(2, Environment.ProcessorCount)), 6), rate.PeakShare);
        Assert.Equal((2 * 1000, 300, 5000), (rate.BytesPerStep, rate.AllocatedBytesPerStep, rate.ServerAllocatedBytesPerStep));
        Assert.Equal([new WorkerShares("w0", 0.5, 0.2, 0.25, 0.05), new WorkerShares("w1", 0.5, 0.2, 0.25, 0.05)], rate.Shares);

        var json = JsonDocument.Parse(JsonText.Of(rate)).RootElement;
        foreach (var field in (string[])["samplesPerSecond", "stepsPerSecond", "parameters", "bytesPerStep", "peakShare", "allocatedBytesPerStep", "serverAllocatedBytesPerStep"])
        {
            Assert.Equal(JsonValueKind.Number, json.GetProperty(field).ValueKind);
        }

        Assert.Equal("unix", json.GetProperty("transport").GetString());
        Assert.Equal(0.25, json.GetProperty("shares")[1].GetProperty("waiting").GetDouble());
    }

    [Fact]
    public void The_experiment_is_one_that_the_reader_takes()
    {
        foreach (var network in (BenchNetwork[])[Settings.Network, BenchNetwork.Perceptron("5-3-2", batchNorm: true, [])!, BenchNetwork.Convolutional()])
        {
            var settings = Settings with { Network = network, Workers = 3, Servers = 2, Optimizer = "momentum", Transport = "tcp" };
            var read = ExperimentReader.Read(settings.Yaml("/a \"folder\": #1"), "bench.yaml", []);
            Assert.Empty(read.Problems);
            var experiment = read.Experiment!;
            Assert.Equal("/a \"folder\": #1", experiment.Data.Source);
            Assert.Equal((30, 3), (experiment.Training.BatchSize, experiment.Training.Shards));
            Assert.Equal((3, 3, 2, 2), (experiment.Cluster.Workers, experiment.Cluster.MinimumWorkers, experiment.Cluster.Servers, experiment.Cluster.Partitions));
            Assert.Equal((OptimizerKind.Momentum, TransportKind.Tcp), (experiment.Optimizer.Kind, experiment.Cluster.Transport));
        }
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void Batch_norm_is_over_the_batch_or_over_each_leaf(bool local, bool synchronized)
    {
        var settings = Settings with { Network = BenchNetwork.Perceptron("5-4-3-2", batchNorm: true, [], local)! };
        var norms = ExperimentReader.Read(settings.Yaml("/data"), "bench.yaml", []).Experiment!.Model.Layers.OfType<BatchNormOptions>().ToArray();
        Assert.Equal([synchronized, synchronized], norms.Select(static norm => norm.Sync));
        Assert.Equal(local, settings.Network.Name.EndsWith(" local", StringComparison.Ordinal));
    }

    [Fact]
    public void All_that_is_wrong_is_said_at_once()
    {
        var wrong = Settings with { Batch = 0, Workers = 0, Servers = 3, Partitions = 2, Steps = 0, Repeat = 0, Optimizer = "adm", Transport = "pigeon", InProcess = true };
        var problems = wrong.Problems().ToArray();
        foreach (var name in (string[])["--batch is 0", "--workers is 0", "--steps is 0", "--repeat is 0", "'adm' is none of sgd", "'pigeon' is none of auto", "--partitions is 2 and --servers 3", "--in-process has one server"])
        {
            Assert.Contains(problems, problem => problem.Contains(name, StringComparison.Ordinal));
        }

        Assert.Empty(Settings.Problems());
        Assert.Contains("a step takes 120", Assert.Single((Settings with { Batch = 60 }).Problems()), StringComparison.Ordinal);
        Assert.Contains("--leaves is 1: each of 2 workers", Assert.Single((Settings with { Leaves = 1 }).Problems()), StringComparison.Ordinal);
        Assert.Equal(8, ExperimentReader.Read((Settings with { Leaves = 8 }).Yaml("/data"), "bench.yaml", []).Experiment!.Training.Shards);
        Assert.Contains("--in-process", Assert.Single((Settings with { Transport = "in-process" }).Problems()), StringComparison.Ordinal);
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>At a step, with workers that told their costs at another; null: they have not.</summary>
    private static Submissions.View View(long step, long? told)
    {
        var costs = told is { } steps ? new StepCosts(steps, 100 * steps, 40 * steps, 50 * steps, 10 * steps, 300 * steps, 1000 * steps) : null;
        return new Submissions.View(
            new RunId("r"), "training", step, 1000, 0, 1, 1, null, null, 0, 0, 0,
            [
                new Submissions.NodeView("coordinator", "coordinator", "h", 1, "training", [], 0, "h:1", [], null),
                new Submissions.NodeView("s0", "server", "h", 2, "serving", [0], 0, "h:2", ["unix:///a"], new StepCosts(step, 0, 0, 0, 0, 5000 * step, 0)),
                new Submissions.NodeView("w0", "worker", "h", 3, "training", [0], 0, "h:3", [], costs),
                new Submissions.NodeView("w1", "worker", "h", 4, "training", [1], 0, "h:4", [], costs),
                new Submissions.NodeView("w2", "worker", "h", 5, "standby", [], 0, "h:5", [], null),
            ]);
    }
}
