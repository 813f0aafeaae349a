using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// What an experiment can say but training does not do yet. It is refused, never ignored: whoever builds one of these
/// takes its line out.
/// </summary>
internal static class UnbuiltOptions
{
    public static void Find(Experiment experiment, ICollection<string> problems)
    {
        (bool Asked, string Name)[] unbuilt =
        [
            (experiment.Model.Init.Bias != 0, "model.init.bias other than zeros"),
        ];
        foreach (var (_, name) in unbuilt.Where(static option => option.Asked))
        {
            problems.Add($"{name} is not built yet. Remove it.");
        }
    }
}
