using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// The course of the cluster, as cluster.jsonl: a line at once where a node, its state or its work changed, and lines of
/// speeds in between, a second apart at first, ten seconds in the end.
/// </summary>
internal sealed class ClusterRecord
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    // So many lines of speeds until they come further apart.
    private const int Dense = 600;

    private string _last = "";
    private TimeSpan? _writtenAt;

    /// <summary>To be called often; writes what there is to write.</summary>
    /// <param name="run">How it stands.</param>
    /// <param name="nodes">Its nodes.</param>
    /// <param name="now">Of a monotonic clock.</param>
    public void Note(ActiveRun run, IReadOnlyList<Submissions.NodeView> nodes, TimeSpan now)
    {
        var phase = run.Phase.ToString().ToLowerInvariant();
        var state = string.Join(';', nodes.Select(static node => $"{node.Node},{node.ProcessId},{node.State},{string.Join(' ', node.Shards)}")
            .Prepend($"{phase},{run.Generation.Value},{run.Progress.Recoveries.Count}"));
        var interval = (now - run.Progress.StartedAt) / Dense;
        var due = _writtenAt is not { } before || now - before >= (interval < Shortest ? Shortest : interval > Longest ? Longest : interval);
        if (state == _last && !due)
        {
            return;
        }

        run.Folder.Cluster(new
        {
            Change = state != _last ? true : (bool?)null,
            Seconds = Math.Round(run.Progress.Seconds(now), 3),
            run.Progress.Step,
            Steps = run.Plan.TotalSteps,
            Phase = phase,
            Generation = run.Generation.Value,
            RowsPerSecond = Math.Round(run.Progress.RowsPerSecond(now)),
            Nodes = nodes.Select(static node => new { Name = node.Node, node.Role, node.Host, node.ProcessId, node.State, Work = node.Shards, RowsPerSecond = Math.Round(node.RowsPerSecond) }),
        });
        (_last, _writtenAt) = (state, now);
    }
}
