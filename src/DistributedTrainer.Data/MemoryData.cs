using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DistributedTrainer.Data;

/// <summary>
/// Data sets that a program has in memory. While one is lent, its rows stand under a name that experiments can have as source;
/// other processes of a cluster are sent them as those of a file that they do not have.
/// </summary>
public static class MemoryData
{
    private const string Prefix = "memory:";
    private const int HashDigits = 12;

    private static readonly ConcurrentDictionary<string, (Dataset Dataset, int Lent)> Lent = [];

    /// <summary>Rows with classes.</summary>
    /// <param name="name">Names the data set in a run's folder: letters, digits, - and _.</param>
    /// <param name="columns">Numbers of a row, at least 1.</param>
    /// <param name="features">(rows, columns), row after row; all finite.</param>
    /// <param name="labels">Class numbers from 0 (rows).</param>
    /// <param name="classNames">The classes in the order of their numbers; null: the numbers themselves.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, a number is not finite, or a label is no class.</exception>
    public static Dataset OfClasses(string name, int columns, float[] features, int[] labels, IReadOnlyList<string>? classNames = null)
    {
        ArgumentNullException.ThrowIfNull(labels);
        Check(name, columns, features, labels.Length);
        classNames ??= [.. Enumerable.Range(0, labels.Length == 0 ? 0 : labels.Max() + 1).Select(static number => number.ToString(CultureInfo.InvariantCulture))];
        if (labels.AsSpan().IndexOfAnyExceptInRange(0, classNames.Count - 1) is >= 0 and var wrong)
        {
            throw new ArgumentException($"{name}: the label of row {wrong} is {labels[wrong]}, it must be from 0 to {classNames.Count - 1}.", nameof(labels));
        }

        return Of(name, columns, features, DataTask.Classification, MemoryMarshal.AsBytes(labels.AsSpan()), classNames) with { Labels = [.. labels], ClassNames = [.. classNames] };
    }

    /// <summary>Rows with a number as target.</summary>
    /// <param name="name">As above.</param>
    /// <param name="columns">Numbers of a row, at least 1.</param>
    /// <param name="features">(rows, columns), row after row; all finite.</param>
    /// <param name="values">Targets (rows); all finite.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, or a number is not finite.</exception>
    public static Dataset OfValues(string name, int columns, float[] features, float[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Check(name, columns, features, values.Length);
        return Array.Exists(values, static value => !float.IsFinite(value))
            ? throw new ArgumentException($"{name}: a target is not finite.", nameof(values))
            : Of(name, columns, features, DataTask.Regression, MemoryMarshal.AsBytes(values.AsSpan()), []) with { Values = [.. values] };
    }

    /// <summary>Lets experiments of this process use a data set, until what is returned is disposed of.</summary>
    /// <param name="dataset">The data set.</param>
    public static LentData Lend(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);

        // What is other has another name, so that two runs at once do not disturb each other.
        var source = $"{Prefix}{dataset.Name}-{dataset.Sha256[..HashDigits]}";
        Lent.AddOrUpdate(source, (dataset, 1), static (_, known) => (known.Dataset, known.Lent + 1));
        return new LentData(source);
    }

    /// <summary>Whether a source is one of these.</summary>
    public static bool Is(string source) => source.StartsWith(Prefix, StringComparison.Ordinal);

    internal static Dataset? Read(DataSources sources, ICollection<string> problems)
    {
        if (!Lent.TryGetValue(sources.Training, out var known))
        {
            problems.Add($"{sources.Training}: the data was in the memory of the program that has begun the run. Go on with it there, or give the same rows as a file.");
            return null;
        }

        var problem = sources.Validation is not null || sources.Test is not null ? "validation-source and test-source do not go together with data in memory. Use data.split"
            : sources.Target is not null && sources.Target != known.Dataset.TargetName ? $"there is no column {sources.Target} as target. Leave data.target out"
            : sources.Task is { } task && task != known.Dataset.Task ? $"data.task does not fit: the targets are {(task == DataTask.Regression ? "classes" : "numbers")}. Leave it out"
            : sources.TextColumns.Count > 0 ? "it has no text columns to be one-hot encoded"
            : null;
        if (problem is not null)
        {
            problems.Add($"{sources.Training}: {problem}.");
            return null;
        }

        return known.Dataset;
    }

    internal static void GiveBack(string source)
    {
        while (Lent.TryGetValue(source, out var known))
        {
            if (known.Lent > 1 ? Lent.TryUpdate(source, (known.Dataset, known.Lent - 1), known) : Lent.TryRemove(KeyValuePair.Create(source, known)))
            {
                return;
            }
        }
    }

    private static Dataset Of(string name, int columns, float[] features, DataTask task, ReadOnlySpan<byte> targets, IReadOnlyList<string> classNames)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes([columns, (int)task, .. classNames.Select(static name => name.Length)]));
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(string.Concat(classNames)));
        hash.AppendData(MemoryMarshal.AsBytes(features.AsSpan()));
        hash.AppendData(targets);
        return new Dataset
        {
            Name = name,
            FeatureNames = [.. Enumerable.Range(0, columns).Select(static column => $"x{column}")],
            TargetName = "target",
            Features = new FeatureTable(columns, [.. features]),
            Task = task,
            Sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()),
        };
    }

    private static void Check(string name, int columns, float[] features, int rows)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(features);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (!name.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_'))
        {
            throw new ArgumentException($"'{name}' cannot name a data set. Write letters, digits, - and _.", nameof(name));
        }

        if (rows == 0 || features.Length != (long)rows * columns)
        {
            throw new ArgumentException($"{name}: {features.Length} features are not {rows} rows of {columns} columns. There must be one row at least, and a target for each.", nameof(features));
        }

        if (Array.FindIndex(features, static value => !float.IsFinite(value)) is >= 0 and var wrong)
        {
            throw new ArgumentException($"{name}: the feature {wrong % columns} of row {wrong / columns} is not finite. Fill it in, or leave the row out.", nameof(features));
        }
    }
}

/// <summary>A data set that experiments of this process may use.</summary>
public sealed class LentData : IDisposable
{
    private int _isBack;

    internal LentData(string source) => Source = source;

    /// <summary>What the experiment has as <c>data.source</c>.</summary>
    public string Source { get; }

    /// <summary>Experiments cannot use it any more, once all who have lent it say so.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isBack, 1) == 0)
        {
            MemoryData.GiveBack(Source);
        }
    }
}
