using System.Diagnostics;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>A run as a trace: one span from its beginning to its end, and in it recoveries and checkpoints. Steps are far too many: they have the timeline.</summary>
internal static class RunTraces
{
    /// <summary>A run begins; null: nobody listens.</summary>
    public static Activity? Begin(Nodes.Prepare prepare, TrainingPlan plan) => Apart(() =>
        NodeFigures.Traces.StartActivity("run")?
            .SetTag("dtrain.run", prepare.Run.Value)
            .SetTag("dtrain.experiment", plan.Experiment.Name)
            .SetTag("dtrain.steps", plan.TotalSteps));

    /// <summary>Something in it has taken a while, up to now.</summary>
    public static void Took(Activity? run, string name, string text, long step, TimeSpan time)
    {
        if (run is null)
        {
            return;
        }

        Apart(() =>
        {
            using var activity = NodeFigures.Traces.StartActivity(name, ActivityKind.Internal, run.Context, startTime: DateTimeOffset.UtcNow - time);
            return activity?.SetTag("dtrain.step", step).SetTag("dtrain.text", text);
        });
    }

    /// <summary>It is over.</summary>
    public static void End(Activity? run, long step, string? failure)
    {
        run?.SetTag("dtrain.step", step);
        run?.SetStatus(failure is null ? ActivityStatusCode.Ok : ActivityStatusCode.Error, failure);
        Apart(() =>
        {
            run?.Stop();
            return null;
        });
    }

    /// <summary>What becomes current stays so on this thread only for as long as it is made: the next message has nothing to do with it.</summary>
    private static Activity? Apart(Func<Activity?> act)
    {
        var before = Activity.Current;
        try
        {
            return act();
        }
        finally
        {
            Activity.Current = before;
        }
    }
}
