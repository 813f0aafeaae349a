using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Tests.Planning;

/// <summary>What a run is said to need against what it takes.</summary>
public sealed class MemoryEstimateTests
{
    private static readonly TestExperiment Medium = new()
    {
        Source = "digits",
        Layers = ["linear: 512", "batch-norm", "relu", "linear: 512", "relu", "linear: 10"],
        Training = "{ epochs: 1, batch-size: 128, shards: 4 }",
        Transport = "tcp",
        Workers = 2,
        Partitions = 2,
    };

    [Fact]
    public void A_workspace_takes_what_is_said()
    {
        var plan = Medium.Plan();
        AlignedBuffer[] gradients = [new(plan.Model.Layout.Length)];
        long Take()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var workspace = plan.Model.CreateWorkspace(plan.Loss, 256);
            plan.Initialize(workspace.Parameters, workspace.Buffers);
            workspace.Train(0, 1, [new LeafSegment(0, 0, 64)], gradients, new LeafSums[1], new LocalExchange(plan.Shards));
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // The first one on a thread takes what kernels pack matrices into, some 1.5 MB whatever the model.
        Take();
        var taken = Take();
        Assert.InRange(plan.Model.WorkspaceBytes(256), 0.98 * taken, 1.02 * taken);
    }

    [Theory]
    [InlineData(2, 4)]
    [InlineData(3, 4)]
    [InlineData(2, 7)]
    public void A_step_sends_what_is_said(int workers, int shards)
    {
        var plan = (Medium with { Workers = workers, Training = $"{{ epochs: 3, batch-size: 128, shards: {shards} }}" }).Plan();
        using var cluster = new MiniCluster(plan).With(workers);
        cluster.Run();

        // Beside the steps there are the first version and the evaluation.
        var first = workers * plan.Model.Layout.Length * sizeof(float);
        var sent = cluster.Workers.Sum(static worker => worker.Loop.Costs.DataBytes) - first;
        Assert.InRange((double)StepTraffic.Bytes(plan), 0.95 * sent / plan.TotalSteps, 1.05 * sent / plan.TotalSteps);
    }

    [Fact]
    public void Each_part_follows_from_the_experiment()
    {
        var plan = Medium.Plan();
        var parameters = plan.Model.Layout.Length * 4L;

        // Adam keeps two vectors; two workers of two leaves each, whose gradients go over sockets.
        var server = MemoryEstimate.Server(plan).Parts.ToDictionary();
        Assert.Equal(2 * parameters, server["optimizer state"]);
        Assert.InRange(server["versions"], 3 * parameters, 3.1 * parameters);
        Assert.InRange(server["snapshot"], 3 * parameters, 3.1 * parameters);
        Assert.Equal(2 * parameters, server["gradients"]);
        Assert.Equal(3 * parameters, MemoryEstimate.Worker(plan).Parts.ToDictionary()["gradients"]);

        var spread = (Medium with { Servers = 2 }).Plan();
        Assert.InRange(MemoryEstimate.Server(spread).Parts.ToDictionary()["optimizer state"], 0.9 * parameters, 1.1 * parameters);
        var sgd = (Medium with { Optimizer = "{ kind: sgd, learning-rate: 0.1 }", Transport = "in-process" }).Plan();
        Assert.Equal((0, 0), (MemoryEstimate.Server(sgd).Parts.ToDictionary()["optimizer state"], MemoryEstimate.Worker(sgd).Parts.ToDictionary()["the next version"]));
        Assert.True(MemoryEstimate.Together(plan, inProcess: true) < MemoryEstimate.Together(plan, inProcess: false) - (2 * MemoryEstimate.Runtime));
    }

    [Fact]
    public void Threads_of_a_worker_have_parameters_and_gradients_in_common()
    {
        var plan = Medium.Plan();
        var (parameters, buffers) = (plan.Model.Layout.Length * 4L, plan.Model.Buffers.Length * 4L);
        var (one, two) = (MemoryEstimate.Worker(plan).Parts.ToDictionary(), MemoryEstimate.Worker(plan, threads: 2).Parts.ToDictionary());
        var ofEach = plan.Model.WorkspaceBytes(Math.Max(256, plan.PassRowsOf(2)));
        Assert.Equal((2 * ofEach) - parameters - buffers, two["activations and parameters"]);
        Assert.All(one.Keys.Except(["activations and parameters", "threads"]), what => Assert.Equal(one[what], two[what]));
        Assert.True(plan.PassRowsOf(1) == plan.PassRows && plan.PassRowsOf(2) < plan.PassRows);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(9)]
    public void What_threads_of_a_worker_take_is_what_is_said_of_a_machine(int threads)
    {
        var plan = (Medium with { Split = "{ validation: 0.6, test: 0.1 }" }).Plan();
        long Take(int many)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            using var computer = new LeafComputer(plan, threads: many);
            plan.Initialize(computer.Parameters, computer.Buffers);
            computer.BeginStep(0);
            Assert.Equal(128, computer.Compute([0, 1, 2, 3], 0, new LocalExchange(plan.Shards), new AllAtOnce()));
            computer.Evaluate([0, 1, 2, 3], withTest: false, []);
            return GC.GetAllocatedBytesForCurrentThread() - before + computer.Allocated;
        }

        // Gradients are the worker's, whatever its threads. What kernels pack matrices into is the caller's from the first time on.
        Take(1);
        var (one, taken) = (Take(1), Take(threads));
        var said = Worker(threads) - Worker(1);
        Assert.True(said >= taken - one && said <= 1.08 * (taken - one), $"{threads} threads: {taken - one} more than one were taken, {said} said");

        // Two workers, and nothing of the other nodes grows with threads.
        long Worker(int many) => MemoryEstimate.Of(plan, many).Single(static node => node.Role == "worker").Bytes;
        foreach (var inProcess in (bool[])[false, true])
        {
            Assert.Equal(2 * said, MemoryEstimate.Together(plan, inProcess, threads) - MemoryEstimate.Together(plan, inProcess));
        }
    }

    [Fact]
    public void What_is_averaged_counts_wherever_it_travels()
    {
        var experiment = Medium with { Layers = ["linear: 512", "relu", "linear: 512", "relu", "linear: 10"], Training = "{ epochs: 1, batch-size: 128, shards: 4, local-steps: 4 }" };
        var plan = experiment.Plan();
        var parameters = plan.Model.Layout.Length * 4L;

        // Adam keeps two vectors: three with the parameters. Two workers of two leaves each.
        var server = MemoryEstimate.Server(plan).Parts.ToDictionary();
        Assert.Equal((9 * parameters, 0, 3 * parameters, 6 * parameters), (server["versions"], server["optimizer state"], server["snapshot"], server["gradients"]));
        var worker = MemoryEstimate.Worker(plan).Parts.ToDictionary();
        Assert.Equal((9 * parameters, 6 * parameters, 3 * parameters), (worker["gradients"], worker["local steps"], worker["the next version"]));

        // One leaf at a time: activations do not grow with the batch.
        var large = (experiment with { Training = "{ epochs: 1, batch-size: 1024, shards: 4, local-steps: 4 }" }).Plan();
        Assert.Equal(256, large.PassRows);
        Assert.Equal(worker["activations and parameters"], MemoryEstimate.Worker(large).Parts.ToDictionary()["activations and parameters"]);
    }

    [Fact]
    public void What_a_worker_takes_for_local_steps_is_what_is_said()
    {
        var plan = (Medium with { Layers = ["linear: 512", "relu", "linear: 512", "relu", "linear: 10"], Training = "{ epochs: 1, batch-size: 128, shards: 4, local-steps: 4 }" }).Plan();
        var workspace = plan.Model.CreateWorkspace(plan.Loss, 32);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var course = new LocalCourse(plan, workspace);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0.99 * 6 * plan.Model.Layout.Length * 4, 1.01 * 6 * plan.Model.Layout.Length * 4);
        Assert.Equal(2, course.CommonState.Length);
    }

    [Fact]
    public void What_cannot_fit_is_told_with_both_figures_and_what_to_change_and_what_is_close_is_a_warning()
    {
        var plan = Medium.Plan();
        var needed = MemoryEstimate.Together(plan, inProcess: false);
        Assert.Equal((null, null), MemoryCheck.OfMachine(plan, false, 2 * needed));
        var (problem, warning) = MemoryCheck.OfMachine(plan, false, needed + 1);
        Assert.Null(problem);
        Assert.Contains(": that is close. Use fewer cluster.workers", warning, StringComparison.Ordinal);
        (problem, warning) = MemoryCheck.OfMachine(plan, false, 100L << 20);
        Assert.Null(warning);
        Assert.StartsWith($"memory: this run with 2 workers on one machine will need up to {MemoryCheck.Text(needed)} of memory, and 100 MB are there. Use fewer cluster.workers", problem, StringComparison.Ordinal);
        var threads = MemoryEstimate.Together(plan, inProcess: false, threads: 4);
        Assert.StartsWith(
            $"memory: this run with 2 workers of 4 threads each on one machine will need up to {MemoryCheck.Text(threads)} of memory, and {MemoryCheck.Text(threads - 1)} are there. Use fewer cluster.workers or --workers-per-node, ",
            MemoryCheck.OfMachine(plan, false, threads - 1, threads: 4).Problem, StringComparison.Ordinal);
        Assert.Contains("a node with the roles server, worker", MemoryCheck.OfNode(plan, ["server", "worker"], 4, 1, 1).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Activations_beyond_one_vector_are_a_problem_and_no_crash()
    {
        var problems = new List<string>();
        Assert.Null((Medium with { Layers = ["linear: 1000000", "relu", "linear: 10"], Training = "{ epochs: 1, batch-size: 1400, shards: 4 }" }).TryPlan(problems));
        Assert.Contains("training.batch-size: the outputs of all layers for 1400 rows", Assert.Single(problems), StringComparison.Ordinal);
    }
}
