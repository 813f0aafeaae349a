namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>cluster</c>.</summary>
internal static class ClusterSection
{
    public static ClusterOptions Read(Section cluster)
    {
        var defaults = new ClusterOptions();
        var options = new ClusterOptions
        {
            Workers = (int)cluster.Integer("workers", defaults.Workers, 1, 1024),
            Servers = (int)cluster.Integer("servers", defaults.Servers, 1, 1024),
            Partitions = (int)cluster.Integer("partitions", defaults.Partitions, 1, 1024),
            MinimumWorkers = (int)cluster.Integer("minimum-workers", defaults.MinimumWorkers, 1, 1024),
            MaxRestarts = (int)cluster.Integer("max-restarts", defaults.MaxRestarts, 0, 1_000_000),
            Transport = cluster.Choice("transport", defaults.Transport),
            Overlap = cluster.Choice("overlap", defaults.Overlap),
            Placement = cluster.Choice("placement", defaults.Placement),
            Timeline = cluster.Choice("timeline", defaults.Timeline),
        };
        if (options.MinimumWorkers > options.Workers)
        {
            cluster.Problems.Add(cluster.Find("minimum-workers") ?? cluster.Find("workers"), cluster.KeyOf("minimum-workers"), $"{options.MinimumWorkers} is more than cluster.workers, {options.Workers}: training would never begin. Write at most as many, or more workers.");
        }

        if (options.Servers > options.Partitions)
        {
            cluster.Problems.Add(cluster.Find("servers") ?? cluster.Find("partitions"), cluster.KeyOf("servers"), $"{options.Servers} servers are more than cluster.partitions, {options.Partitions}: some would have nothing to do. Use at least as many partitions as servers.");
        }

        cluster.RefuseUnknown();
        return options;
    }
}
