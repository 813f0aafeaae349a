using System.Globalization;
using System.Text.Json;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;
using Xunit.Abstractions;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>
/// Who computes is alive, and is seen to be: what nodes say of themselves does not wait behind steps that take all cores and
/// all memory bandwidth. Times are asserted here, since they are what the failure detectors build on.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class LivenessTests(ITestOutputHelper output)
{
    // A hundredth of what somebody may train; scripts/liveness.sh asks for as many as one likes.
    private const int UsualParameters = 1_000_000;

    private static readonly TimeSpan MostLate = TimeSpan.FromSeconds(1);

    // Told every half second.
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(1.5);

    [Fact]
    public async Task Heartbeats_and_statuses_are_on_time_while_steps_take_all_cores()
    {
        var wanted = Environment.GetEnvironmentVariable("LIVENESS_PARAMETERS");
        var parameters = wanted is null ? UsualParameters : int.Parse(wanted, CultureInfo.InvariantCulture);
        var (statuses, steps) = wanted is null ? (10, 20) : (60, 20);
        var workers = Math.Clamp(Environment.ProcessorCount, 2, 4);

        LivenessRecord.Clear();
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("record.conf"), LivenessRecord.Settings);
        await using var home = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["coordinator"], ConfigFile = directory.In("record.conf") }, null, CancellationToken.None);
        var nodes = new List<Dtrain>();
        try
        {
            nodes.Add(Dtrain.Start(["node", "--roles", "server", "--join", home.Address]));
            nodes.AddRange(Enumerable.Range(0, workers).Select(_ => Dtrain.Start(["node", "--roles", "worker", "--join", home.Address])));

            var (began, ended, firstStep, lastStep) = (TimeSpan.Zero, TimeSpan.Zero, 0L, 0L);
            using var limit = new CancellationTokenSource(Dtrain.Limit);
            var (run, end) = ((RunId?)null, (Submissions.Ended?)null);
            await foreach (var message in home.Submit(new Submissions.Submit(Yaml(parameters, workers), "liveness.yaml", "", directory.Run, EndCluster: true, Resume: false), limit.Token))
            {
                Assert.False(message is Submissions.Rejected, (message as Submissions.Rejected)?.Problems.FirstOrDefault());
                run = (message as Submissions.Accepted)?.Run ?? run;
                end = message as Submissions.Ended;
                if (message is not Submissions.View { Step: > 0 } view || ended > TimeSpan.Zero)
                {
                    continue;
                }

                if (began == TimeSpan.Zero)
                {
                    (began, firstStep) = (LivenessRecord.Now, view.Step);
                }

                if (view.Step - firstStep >= steps && Enough("status", workers, statuses, began) && Enough("heartbeat", workers + 1, statuses, began))
                {
                    (ended, lastStep) = (LivenessRecord.Now, view.Step);
                    home.Tell(new Submissions.Stop(run!.Value));
                }
            }

            var (late, silence) = (LivenessRecord.LongestGap("heartbeat", began, ended) - LivenessRecord.HeartbeatInterval, LivenessRecord.LongestGap("status", began, ended));
            output.WriteLine(FormattableString.Invariant(
                $"{parameters} parameters, {workers} workers, {lastStep - firstStep} steps in {(ended - began).TotalSeconds:0.0} s: heartbeats at most {late.TotalMilliseconds:0} ms late, longest silence of a worker {silence.TotalMilliseconds:0} ms"));
            Assert.True(late < MostLate, $"a heartbeat came {late} late");
            Assert.True(silence < LongestSilence, $"a worker told nothing for {silence}");
            foreach (var (at, text) in LivenessRecord.Warnings)
            {
                output.WriteLine(FormattableString.Invariant($"{(at - ended).TotalSeconds:0.0} s after the last step: {text}"));
            }

            // How a cluster begins and ends is not asked here. In capitals: another warning says what may become of a late heartbeat.
            Assert.DoesNotContain(LivenessRecord.Warnings, warning => warning.At >= began && warning.At <= ended && warning.Text.Contains("UNREACHABLE", StringComparison.Ordinal));
            Assert.StartsWith("stopped at step", end!.Failure, StringComparison.Ordinal);
            Assert.Equal(0, JsonDocument.Parse(end.ResultJson!).RootElement.GetProperty("recoveries").GetArrayLength());
        }
        finally
        {
            foreach (var node in nodes)
            {
                await node.DisposeAsync();
            }
        }
    }

    private static bool Enough(string kind, int peers, int times, TimeSpan since)
    {
        var counts = LivenessRecord.Counts(kind, since);
        return counts.Count == peers && counts.Values.All(count => count >= times);
    }

    /// <summary>A network with about so many parameters, nearly all of them in one square layer.</summary>
    private static string Yaml(int parameters, int workers)
    {
        // Digits have 64 inputs, and ten classes.
        var width = (int)Math.Sqrt(parameters) - 38;
        return FormattableString.Invariant($$"""
            name: liveness
            data: { source: digits, split: none }
            model: { layers: [ linear: {{width}}, relu, linear: {{width}}, relu, linear: 10 ] }
            optimizer: { kind: adam, learning-rate: 0.00001 }
            training: { steps: 1000000, batch-size: {{8 * workers}}, shards: {{workers}}, last-batch: drop }
            cluster: { workers: {{workers}}, minimum-workers: {{workers}}, partitions: 4 }
            checkpoint: { every-seconds: null }
            """);
    }
}
