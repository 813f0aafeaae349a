using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>
/// Decides from what is heard of a run when it is warm and when enough was measured. Time is given, never asked for.
/// </summary>
/// <param name="steps">Steps of a window.</param>
/// <param name="windows">Windows.</param>
internal sealed class TrainCourse(int steps, int windows)
{
    /// <summary>Code is compiled in several stages while it runs: the first steps are slow.</summary>
    internal static readonly TimeSpan WarmTime = TimeSpan.FromSeconds(5);

    private const int MostWarmSteps = 300;

    private TimeSpan? _firstStepAt;

    /// <summary>How the run stood when it was warm; null: it is not yet.</summary>
    public Submissions.View? Warm { get; private set; }

    /// <summary>How it stands, once it has been warm for long enough; null: it goes on.</summary>
    public Submissions.View? End { get; private set; }

    /// <summary>Takes what is heard.</summary>
    public void Heard(Submissions.View view, TimeSpan now)
    {
        if (view.Step == 0 || End is not null)
        {
            return;
        }

        _firstStepAt ??= now;
        if (Warm is null)
        {
            if (now - _firstStepAt >= WarmTime && view.Step >= Math.Min(steps, MostWarmSteps) && Computing(view).Any() && Computing(view).All(static node => node.Costs is not null))
            {
                Warm = view;
            }
        }
        else if (view.Step >= Warm.Step + ((long)steps * windows) && Computing(Warm).All(node => Costs(view, node.Node) is { } costs && costs.Steps - node.Costs!.Steps >= steps))
        {
            // The costs are told less often than the steps: they have their own end.
            End = view;
        }
    }

    /// <summary>Workers with shards, and the server that tells its costs.</summary>
    public static IEnumerable<Submissions.NodeView> Computing(Submissions.View view) =>
        view.Nodes.Where(static node => (node.Role == "worker" && node.Shards.Length > 0) || (node.Role == "server" && node.Costs is not null));

    /// <summary>What a node's steps have cost between two views.</summary>
    public static StepCosts? Between(Submissions.View begin, Submissions.View end, string node) =>
        Costs(begin, node) is { } a && Costs(end, node) is { } b
            ? new StepCosts(
                b.Steps - a.Steps, b.Computing - a.Computing, b.Pushing - a.Pushing, b.Waiting - a.Waiting, b.Copying - a.Copying,
                b.AllocatedBytes - a.AllocatedBytes, b.DataBytes - a.DataBytes)
            : null;

    private static StepCosts? Costs(Submissions.View view, string node) => view.Nodes.FirstOrDefault(one => one.Node == node)?.Costs;
}
