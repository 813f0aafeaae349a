using System.Text;

namespace DistributedTrainer.Experiments.Reading;

/// <summary>Names as users write them, and the nearest one to a misspelt one.</summary>
internal static class Names
{
    /// <summary>What other libraries call our names.</summary>
    private static readonly Dictionary<string, string> Elsewhere = new()
    {
        ["dense"] = "linear",
        ["fc"] = "linear",
        ["lr"] = "learning-rate",
        ["eta"] = "learning-rate",
        ["lambda"] = "weight-decay",
        ["l2"] = "weight-decay",
        ["alpha"] = "momentum",
        ["bce"] = "binary-cross-entropy",
        ["mse"] = "mean-squared-error",
        ["mae"] = "mean-absolute-error",
        ["softmax"] = "cross-entropy",
        ["swish"] = "silu",
        ["kaiming"] = "he",
        ["label"] = "target",
        ["dataset"] = "source",
        ["file"] = "source",
        ["path"] = "source",
        ["type"] = "kind",
        ["name"] = "kind",
        ["units"] = "outputs",
        ["filters"] = "outputs",
        ["channels"] = "outputs",
        ["size"] = "outputs",
        ["p"] = "rate",
        ["kernel-size"] = "kernel",
        ["negative-slope"] = "slope",
        ["conv"] = "conv2d",
        ["rho"] = "decay",
        ["gamma"] = "factor",
        ["step-size"] = "every",
        ["t-max"] = "steps",
        ["eta-min"] = "minimum",
        ["smoothing"] = "label-smoothing",
        ["monitor"] = "metric",
        ["rms"] = "rmsprop",
        ["normalize"] = "standardize",
        ["batch"] = "batch-size",
        ["min-resources"] = "first-epochs",
        ["reduction-factor"] = "factor",
    };

    private static readonly Dictionary<string, string[]> Places = new()
    {
        [""] = ["seed", "data", "model", "loss", "optimizer", "training", "cluster", "checkpoint", "tune"],
        ["data"] = ["source", "target", "task", "split", "folds", "fold", "training-share", "validation-source", "test-source", "image", "separator", "quote", "missing", "preprocess", "augment", "shuffle"],
        ["model"] = ["layers", "init"],
        ["optimizer"] = ["learning-rate", "weight-decay", "l1", "l1-zeros", "decay-biases", "clip-norm", "clip-value", "schedule"],
        ["training"] = ["epochs", "pause-after", "batch-size", "shards", "mode", "staleness", "accumulate", "local-steps", "last-batch", "non-finite", "compression", "early-stopping"],
        ["cluster"] = ["workers", "servers", "partitions", "minimum-workers", "max-restarts", "transport", "overlap", "placement", "timeline"],
        ["checkpoint"] = ["every-steps", "every-seconds", "keep"],
    };

    /// <summary>Keys that every experiment can have, with their sections.</summary>
    public static IEnumerable<string> KnownKeys =>
        Places.SelectMany(static place => place.Value.Where(static key => !Places.ContainsKey(key)).Select(key => place.Key.Length == 0 ? key : $"{place.Key}.{key}")).Concat(OfSeveralPlaces);

    // Their last words have a place elsewhere too.
    private static readonly string[] OfSeveralPlaces = ["model.from", "optimizer.kind", "training.steps"];

    /// <summary>Kebab case: MinMax → min-max.</summary>
    public static string Kebab(string pascal)
    {
        var text = new StringBuilder();
        foreach (var letter in pascal)
        {
            if (char.IsUpper(letter) && text.Length > 0)
            {
                text.Append('-');
            }

            text.Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }

    public static string Kebab<T>(T value)
        where T : struct, Enum => Kebab(value.ToString());

    public static string[] All<T>()
        where T : struct, Enum => [.. Enum.GetNames<T>().Select(Kebab)];

    /// <summary>The section where a key belongs; null: none, or more than one.</summary>
    public static string? Place(string key) => Places.FirstOrDefault(place => place.Value.Contains(key)).Key;

    /// <summary>"Did you mean …?" where a name is near, else the list of all.</summary>
    public static string Suggest(string wrong, IReadOnlyCollection<string> names) =>
        Nearest(wrong, names) is { } near ? $"Did you mean {near}?" : $"Possible are {string.Join(", ", names)}.";

    /// <summary>The same for a key, which may also belong to another section.</summary>
    public static string SuggestKey(string wrong, IReadOnlyCollection<string> keys, string section)
    {
        if (Nearest(wrong, keys) is not null || Nearest(wrong, Places.Values.SelectMany(static place => place).ToArray()) is not { } key || Place(key) is not { } place || place == section)
        {
            return Suggest(wrong, keys);
        }

        return $"{key} belongs {(place.Length == 0 ? "at the top of the file, without indentation" : $"under {place}")}.";
    }

    private static string? Nearest(string wrong, IReadOnlyCollection<string> names)
    {
        var lower = wrong.ToLowerInvariant().Replace('_', '-');
        if (Elsewhere.TryGetValue(lower, out var ours) && names.Contains(ours))
        {
            return ours;
        }

        return Spelling.Nearest(lower, names);
    }
}
