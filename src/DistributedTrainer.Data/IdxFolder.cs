using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>
/// A folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz; with t10k-… (or test-…) files of the
/// same kind, these are the test rows. Images are (1, height, width) with values 0 to 255, kept as bytes.
/// </summary>
internal static class IdxFolder
{
    private const string Target = "label";

    public static Dataset? Read(DataSources sources, string path, ProblemLog problems)
    {
        var source = sources.Training;
        if (sources.Validation is not null || sources.Test is not null)
        {
            problems.Add($"{source}: validation-source and test-source are for CSV files. A folder of IDX files brings its test files (t10k-…) along; validation rows are drawn by data.split.");
        }

        if (sources.Target is not (null or Target) || sources.TextColumns.Count > 0)
        {
            problems.Add($"{source}: a folder of IDX files has pixels and the target '{Target}' only. Remove {(sources.TextColumns.Count > 0 ? "one-hot" : "data.target")}.");
        }

        string[] files;
        try
        {
            files = Directory.GetFiles(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{source}: the folder cannot be read: {problem.Message}");
            return null;
        }

        var training = ReadPair(source, files, "train", required: true, problems);
        var test = problems.Any ? null : ReadPair(source, files, "t10k", required: false, problems);
        if (problems.Any || training is null)
        {
            return null;
        }

        var sizes = training.Value.Images.Sizes.AsSpan(1);
        if (test is { } other && !other.Images.Sizes.AsSpan(1).SequenceEqual(sizes))
        {
            problems.Add($"{source}: the training images are {string.Join('x', sizes.ToArray())}, the test images {string.Join('x', other.Images.Sizes.Skip(1))}. Give both the same size.");
            return null;
        }

        return Build(sources, training.Value, test, problems);
    }

    private static Dataset? Build(DataSources sources, (IdxFile Images, IdxFile Labels) training, (IdxFile Images, IdxFile Labels)? test, ProblemLog problems)
    {
        var shape = training.Images.Sizes switch
        {
            [_, var height, var width] => new Shape(1, height, width),
            [_, .. var sizes] => new Shape(sizes),
            _ => default,
        };
        var classes = training.Labels.Values.Distinct().Order().ToArray();
        byte[] labels = [.. training.Labels.Values, .. test?.Labels.Values ?? []];
        var task = sources.Task ?? DataTask.Classification;
        if (task == DataTask.Classification)
        {
            foreach (var label in labels.Distinct().Except(classes))
            {
                problems.Add($"{sources.Training}: the label {label} occurs in the test files only. Remove its rows, or add some to the training files.");
            }
        }

        return problems.Any ? null : new Dataset
        {
            Name = sources.Training,
            FeatureNames = Names(shape),
            TargetName = Target,
            Features = new FeatureTable(shape.Elements, test is { } pair ? [training.Images.Values, pair.Images.Values] : [training.Images.Values]),
            InputShape = shape,
            Task = task,
            Labels = task == DataTask.Classification ? Array.ConvertAll(labels, label => Array.IndexOf(classes, label)) : [],
            Values = task == DataTask.Regression ? Array.ConvertAll(labels, static label => (float)label) : [],
            ClassNames = task == DataTask.Classification ? Array.ConvertAll(classes, static label => label.ToString(CultureInfo.InvariantCulture)) : [],
            Sha256 = Hash([training.Images, training.Labels, .. test is { } tested ? (IdxFile[])[tested.Images, tested.Labels] : []]),
            TestRows = test?.Labels.Values.Length ?? 0,
        };
    }

    private static (IdxFile Images, IdxFile Labels)? ReadPair(string source, string[] files, string part, bool required, ProblemLog problems)
    {
        var images = Find(source, files, part, "images", problems);
        var labels = Find(source, files, part, "labels", problems);
        if (images is null && labels is null && !required)
        {
            return null;
        }

        foreach (var (file, kind, rank) in (ReadOnlySpan<(string?, string, int)>)[(images, "images", 3), (labels, "labels", 1)])
        {
            if (file is null && !problems.Any)
            {
                problems.Add($"{source}: the folder has no {part} {kind}. A file {part}-{kind}-idx{rank}-ubyte or {part}-{kind}-idx{rank}-ubyte.gz belongs there.");
            }
        }

        if (problems.Any || IdxFile.Read(images!, 2..4, problems) is not { } pixels || IdxFile.Read(labels!, 1..1, problems) is not { } numbers)
        {
            return null;
        }

        if (pixels.Sizes[0] != numbers.Sizes[0])
        {
            problems.Add($"{source}: there are {pixels.Sizes[0]} {part} images, but {numbers.Sizes[0]} {part} labels. Do the files belong together?");
            return null;
        }

        return (pixels, numbers);
    }

    private static string? Find(string source, string[] files, string part, string kind, ProblemLog problems)
    {
        var found = files.Where(file =>
        {
            var name = Path.GetFileName(file);
            return name.Contains(kind, StringComparison.OrdinalIgnoreCase)
                && (name.EndsWith("ubyte", StringComparison.OrdinalIgnoreCase) || name.EndsWith("ubyte.gz", StringComparison.OrdinalIgnoreCase))
                && (name.Contains("t10k", StringComparison.OrdinalIgnoreCase) || name.Contains("test-", StringComparison.OrdinalIgnoreCase) ? "t10k" : "train") == part;
        }).Order(StringComparer.Ordinal).ToArray();

        // Plain and compressed side by side are the same file: the plain one sorts first and is read faster.
        if (found.Length > 1 && !(found.Length == 2 && found[1] == found[0] + ".gz"))
        {
            problems.Add($"{source}: several files could hold the {part} {kind}: {string.Join(", ", found.Select(Path.GetFileName))}. Leave one in the folder.");
        }

        return found.FirstOrDefault();
    }

    private static string[] Names(Shape shape)
    {
        var (channels, height, width) = shape.Rank == 3 ? (shape[0], shape[1], shape[2]) : (1, 1, shape.Elements);
        return [.. from channel in Enumerable.Range(0, channels)
                   from row in Enumerable.Range(0, height)
                   from column in Enumerable.Range(0, width)
                   select shape.Rank == 1 ? $"x{column}" : channels == 1 ? $"pixel_{row}_{column}" : $"pixel_{channel}_{row}_{column}"];
    }

    // Of the contents, so that a compressed file counts as the same.
    private static string Hash(IEnumerable<IdxFile> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[4];
        foreach (var file in files)
        {
            foreach (var size in file.Sizes)
            {
                BinaryPrimitives.WriteInt32BigEndian(number, size);
                hash.AppendData(number);
            }

            hash.AppendData(file.Values);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
