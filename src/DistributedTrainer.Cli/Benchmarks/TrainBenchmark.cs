using System.Diagnostics;
using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The measured run failed; the message says why.</summary>
internal sealed class BenchmarkFailedException(string message) : Exception(message);

/// <summary>
/// Measures training as <c>dtrain train</c> does it: a cluster of processes on this machine, data made for it, and the
/// times at which the server applied each step.
/// </summary>
internal sealed class TrainBenchmark(TrainSettings settings, Action<string> say, CancellationToken cancel)
{
    // A run that is interrupted ends in good order; where its nodes are gone, nobody answers.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    /// <summary>Runs and measures.</summary>
    /// <param name="runDirectory">Where the run stays; null: nowhere.</param>
    /// <exception cref="BenchmarkFailedException">The run failed, or was disturbed.</exception>
    /// <exception cref="OperationCanceledException">The user does not want to wait for it.</exception>
    public async Task<TrainRate> Run(string? runDirectory)
    {
        var peak = PeakRate.Measure();
        var folder = Directory.CreateTempSubdirectory("dtrain-bench-");
        try
        {
            var data = settings.DataFolder ?? folder.CreateSubdirectory("data").FullName;
            if (settings.DataFolder is null)
            {
                BenchData.Write(data, settings.Rows, settings.Network.Input, settings.Network.Classes);
            }

            var read = ExperimentReader.Read(settings.Yaml(data), "bench.yaml", []);
            return read.Experiment is { } experiment
                ? await Measure(experiment, runDirectory ?? Path.Combine(folder.FullName, "run"), peak)
                : throw new BenchmarkFailedException(string.Join(Environment.NewLine, read.Problems));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task<TrainRate> Measure(Experiment experiment, string runDirectory, double peak)
    {
        var course = new TrainCourse(settings.Steps, settings.Repeat);
        IReadOnlyList<NodeFootprint> memory = [];
        using (var cluster = await LocalCluster.Start(experiment.Cluster, settings.InProcess, say, settings.Certificates, settings.WorkersPerNode))
        {
            var submission = ExperimentArguments.Submission(experiment, Path.GetTempPath(), runDirectory, endCluster: true);
            var began = Stopwatch.GetTimestamp();
            RunId? run = null;
            using var giveUp = new CancellationTokenSource();
            using var interrupted = cancel.Register(() =>
            {
                Stop();
                giveUp.CancelAfter(EndLimit);
            });
            await foreach (var message in cluster.Host.Submit(submission, giveUp.Token))
            {
                switch (message)
                {
                    case Submissions.Accepted accepted:
                        run = accepted.Run;
                        if (cancel.IsCancellationRequested)
                        {
                            Stop();
                        }

                        break;
                    case Submissions.View view when course.End is null:
                        Hear(course, view, Stopwatch.GetElapsedTime(began));
                        if (course.End is not null)
                        {
                            memory = NodeFootprint.Of(view);
                            Stop();
                        }

                        break;
                    case Submissions.Notice notice:
                        say(notice.Text);
                        break;
                    case Submissions.Rejected rejected:
                        throw new BenchmarkFailedException(string.Join(Environment.NewLine, rejected.Problems));
                    case Submissions.Ended ended:
                        cancel.ThrowIfCancellationRequested();
                        Check(ended, course);
                        break;
                }
            }

            // A run that is told to stop writes nothing more once it has ended: its folder can be removed.
            void Stop()
            {
                if (run is { } known)
                {
                    cluster.Host.Tell(new Submissions.Stop(known));
                }
            }
        }

        return TrainRate.Of(settings, course.Warm!, course.End!, Times(Path.Combine(runDirectory, "metrics.jsonl")), TransportOf(course.End!), peak) with { Memory = memory };
    }

    private void Hear(TrainCourse course, Submissions.View view, TimeSpan now)
    {
        var warm = course.Warm;
        course.Heard(view, now);
        if (warm is null && course.Warm is not null)
        {
            say($"Measuring from step {course.Warm.Step} on.");
        }
    }

    private static void Check(Submissions.Ended ended, TrainCourse course)
    {
        if (course.End is null || ended.ResultJson is null)
        {
            throw new BenchmarkFailedException(ended.Failure ?? "the run ended before enough was measured");
        }

        using var result = JsonDocument.Parse(ended.ResultJson);
        foreach (var recovery in result.RootElement.GetProperty("recoveries").EnumerateArray())
        {
            throw new BenchmarkFailedException($"the run was disturbed: {recovery.GetProperty("cause").GetString()}");
        }
    }

    /// <summary>When each step was applied, in seconds from the first on.</summary>
    private static List<double> Times(string metrics)
    {
        var times = new List<double>();
        foreach (var line in File.ReadLines(metrics))
        {
            using var document = JsonDocument.Parse(line);
            if (JsonText.Number(document.RootElement, "seconds") is { } seconds)
            {
                times.Add(seconds);
            }
        }

        return times;
    }

    /// <summary>The way that workers take to the server, chosen as they choose it.</summary>
    private string TransportOf(Submissions.View view)
    {
        var server = view.Nodes.First(static node => node.Role == "server" && node.Costs is not null);
        var address = TransportSelector.Choose(settings.Transport, server.DataAddresses, sameProcess: settings.InProcess, sameHost: true)[0];
        return address[..address.IndexOf(':', StringComparison.Ordinal)];
    }
}
