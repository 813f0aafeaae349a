using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// The extensions whose layers and losses an experiment uses. No code travels: each node has loaded them from its own disk, and two
/// nodes train together only where the files are the same.
/// </summary>
internal static class UsedExtensions
{
    /// <summary>Those of an experiment; null: none.</summary>
    public static Nodes.ExtensionFile[]? Of(Experiment experiment)
    {
        var parts = LayersOf(experiment.Model.Layers).Select(static layer => layer.Layer.GetType());
        var types = experiment.Loss?.Custom is { } loss ? parts.Append(loss.GetType()) : parts;
        Nodes.ExtensionFile[] files =
        [
            .. types.Select(static type => ExtensionRegistry.KindOf(type).Extension).Distinct()
                .Select(static extension => new Nodes.ExtensionFile(extension.Name, extension.Sha256)).OrderBy(static file => file.Name, StringComparer.Ordinal),
        ];
        return files.Length == 0 ? null : files;
    }

    /// <summary>Why this process cannot compute with them; null: it can.</summary>
    public static string? Problem(IReadOnlyList<Nodes.ExtensionFile>? files)
    {
        foreach (var file in files ?? [])
        {
            var own = ExtensionRegistry.Loaded.FirstOrDefault(extension => extension.Name == file.Name);
            if (own is null)
            {
                return $"the experiment uses layers or losses of the extension {file.Name} (SHA-256 {file.Sha256}), which is not loaded here. Start the node with --extension {file.Name}.dll.";
            }

            if (own.Sha256 != file.Sha256)
            {
                return $"the extension {file.Name} is another file here than at the coordinator: {own.File ?? own.Name} has the SHA-256 {own.Sha256}, and {file.Sha256} there. Give all nodes the same file.";
            }
        }

        return null;
    }

    private static IEnumerable<CustomLayerOptions> LayersOf(IEnumerable<LayerOptions> layers) => layers.SelectMany(static layer => layer switch
    {
        CustomLayerOptions custom => [custom],
        ResidualOptions residual => LayersOf(residual.Layers.Concat(residual.Shortcut)),
        _ => (IEnumerable<CustomLayerOptions>)[],
    });
}
