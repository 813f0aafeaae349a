using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>What part of a worker's time goes where; together 1.</summary>
/// <param name="Worker">Which.</param>
/// <param name="Computing">Forward and backward passes.</param>
/// <param name="Pushing">Sending gradients and statistics.</param>
/// <param name="Waiting">For the next parameters, and within a step for statistics.</param>
/// <param name="Copying">Taking the next parameters over.</param>
internal sealed record WorkerShares(string Worker, double Computing, double Pushing, double Waiting, double Copying);

/// <summary>How fast training is.</summary>
internal sealed record TrainRate
{
    /// <summary>Of the best window.</summary>
    public required double SamplesPerSecond { get; init; }

    public required double StepsPerSecond { get; init; }

    public required long Parameters { get; init; }

    /// <summary>On the data plane, of all workers, both ways.</summary>
    public required double BytesPerStep { get; init; }

    /// <summary>Share of the measured multiply-add peak of as many cores as there are workers, or their threads (at most those of the machine).</summary>
    public required double PeakShare { get; init; }

    /// <summary>Managed memory that a worker's threads allocate for its steps.</summary>
    public required double AllocatedBytesPerStep { get; init; }

    /// <summary>Managed memory that the process of the server with the lead partition allocates.</summary>
    public required double ServerAllocatedBytesPerStep { get; init; }

    /// <summary>The one that was used.</summary>
    public required string Transport { get; init; }

    public required string Layers { get; init; }

    public required int Batch { get; init; }

    public required int Workers { get; init; }

    public required int WorkersPerNode { get; init; }

    public required int Servers { get; init; }

    public required string Optimizer { get; init; }

    public required bool InProcess { get; init; }

    public required double MedianSamplesPerSecond { get; init; }

    /// <summary>Samples per second of every window, in order.</summary>
    public required IReadOnlyList<double> Windows { get; init; }

    /// <summary>Floating-point operations that a row needs.</summary>
    public required long OperationsPerSample { get; init; }

    /// <summary>Of one core.</summary>
    public required double PeakGflops { get; init; }

    public required IReadOnlyList<WorkerShares> Shares { get; init; }

    /// <summary>Of each process of the cluster at the end; empty where the system does not say.</summary>
    public IReadOnlyList<NodeFootprint> Memory { get; init; } = [];

    /// <summary>Puts the figures together.</summary>
    /// <param name="settings">What was run.</param>
    /// <param name="warm">How the run stood before the windows.</param>
    /// <param name="end">And after them.</param>
    /// <param name="seconds">When each step was applied, step 1 first.</param>
    /// <param name="transport">The transport that was used.</param>
    /// <param name="peak">The measured peak of one core, GFLOP/s.</param>
    public static TrainRate Of(
        TrainSettings settings, Submissions.View warm, Submissions.View end, IReadOnlyList<double> seconds, string transport, double peak)
    {
        double[] windows =
        [
            .. from window in Enumerable.Range(0, settings.Repeat)
               let first = (int)warm.Step + (window * settings.Steps)
               select (double)settings.Steps * settings.RowsPerStep / (seconds[first + settings.Steps - 1] - seconds[first - 1]),
        ];
        var costs = TrainCourse.Computing(warm).Select(node => (node.Role, node.Node, Costs: TrainCourse.Between(warm, end, node.Node)!)).ToLookup(static node => node.Role);
        var best = windows.Max();
        var cores = Math.Min(settings.Threads, Environment.ProcessorCount);
        return new TrainRate
        {
            SamplesPerSecond = Rounded.To(best, 1),
            StepsPerSecond = Rounded.To(best / settings.RowsPerStep, 2),
            Parameters = settings.Network.Parameters,
            BytesPerStep = Rounded.To(costs["worker"].Sum(static node => (double)node.Costs.DataBytes / node.Costs.Steps), 0),
            PeakShare = Rounded.To(best * settings.Network.OperationsPerRow / (cores * peak * 1e9), 6),
            AllocatedBytesPerStep = Rounded.To(costs["worker"].Average(static node => (double)node.Costs.AllocatedBytes / node.Costs.Steps), 0),
            ServerAllocatedBytesPerStep = Rounded.To(costs["server"].Sum(static node => (double)node.Costs.AllocatedBytes / node.Costs.Steps), 0),
            Transport = transport,
            Layers = settings.Network.Name,
            Batch = settings.Batch,
            Workers = settings.Workers,
            WorkersPerNode = settings.WorkersPerNode,
            Servers = settings.Servers,
            Optimizer = settings.Optimizer,
            InProcess = settings.InProcess,
            MedianSamplesPerSecond = Rounded.To(windows.Order().ElementAt(windows.Length / 2), 1),
            Windows = Array.ConvertAll(windows, static window => Rounded.To(window, 1)),
            OperationsPerSample = settings.Network.OperationsPerRow,
            PeakGflops = Rounded.To(peak, 2),
            Shares = [.. costs["worker"].Select(static node => SharesOf(node.Node, node.Costs))],
        };
    }

    private static WorkerShares SharesOf(string worker, StepCosts costs)
    {
        var all = (double)(costs.Computing + costs.Pushing + costs.Waiting + costs.Copying);
        return new WorkerShares(
            worker, Rounded.To(costs.Computing / all, 4), Rounded.To(costs.Pushing / all, 4), Rounded.To(costs.Waiting / all, 4), Rounded.To(costs.Copying / all, 4));
    }
}
