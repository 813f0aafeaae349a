using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>
/// A folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz; with t10k-… (or test-…) files of the
/// same kind, these are the test rows. Images are (1, height, width) with values 0 to 255, kept as bytes; large files are mapped, not read.
/// </summary>
internal static class IdxFolder
{
    private const string Target = "label";
    private const int Piece = 1 << 18;

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

        var training = ReadPair(sources, files, "train", required: true, problems);
        var test = problems.Any ? null : ReadPair(sources, files, "t10k", required: false, problems);
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
        var (labels, known) = (new byte[training.Labels.Sizes[0] + (test?.Labels.Sizes[0] ?? 0)], new bool[256]);
        ReadLabels(training.Labels, labels);
        foreach (var label in labels.AsSpan(0, training.Labels.Sizes[0]))
        {
            known[label] = true;
        }

        var task = sources.Task ?? DataTask.Classification;
        if (test is { } apart)
        {
            var added = labels.AsSpan(training.Labels.Sizes[0]);
            ReadLabels(apart.Labels, added);
            for (var label = 0; label < known.Length && task == DataTask.Classification; label++)
            {
                if (!known[label] && added.Contains((byte)label))
                {
                    problems.Add($"{sources.Training}: the label {label} occurs in the test files only. Remove its rows, or add some to the training files.");
                }
            }
        }

        var classes = Enumerable.Range(0, known.Length).Where(label => known[label]).ToArray();
        var numbers = Enumerable.Range(0, known.Length).Select(label => Array.IndexOf(classes, label)).ToArray();
        return problems.Any ? null : new Dataset
        {
            Name = sources.Training,
            FeatureNames = PixelNames.Of(shape),
            TargetName = Target,
            Features = new FeatureTable(shape.Elements, test is { } pair ? [training.Images.Rows, pair.Images.Rows] : [training.Images.Rows]),
            InputShape = shape,
            Task = task,
            Labels = task == DataTask.Classification ? Array.ConvertAll(labels, label => numbers[label]) : [],
            Values = task == DataTask.Regression ? Array.ConvertAll(labels, static label => (float)label) : [],
            ClassNames = task == DataTask.Classification ? Array.ConvertAll(classes, static label => label.ToString(CultureInfo.InvariantCulture)) : [],
            Sha256 = Hash([training.Images, training.Labels, .. test is { } tested ? (IdxFile[])[tested.Images, tested.Labels] : []]),
            TestRows = test?.Labels.Sizes[0] ?? 0,
        };
    }

    private static (IdxFile Images, IdxFile Labels)? ReadPair(DataSources sources, string[] files, string part, bool required, ProblemLog problems)
    {
        var source = sources.Training;
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

        if (problems.Any || IdxFile.Read(images!, 2..4, sources.HeldBytes, problems) is not { } pixels || IdxFile.Read(labels!, 1..1, sources.HeldBytes, problems) is not { } numbers)
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

    private static void ReadLabels(IdxFile file, Span<byte> into)
    {
        for (var row = 0; row < file.Rows.Rows; row++)
        {
            into[row] = file.Rows.Bytes(row, into.Slice(row, 1))[0];
        }
    }

    // Of the contents, so that a compressed file counts as the same.
    private static string Hash(IdxFile[] files)
    {
        var large = Array.Exists(files, static file => file.Rows.IsMapped);
        return large ? DataCache.Remembered("idx", Array.ConvertAll(files, static file => file.Path), () => Computed(files)) : Computed(files);
    }

    private static string Computed(IdxFile[] files)
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

            // As many rows at once as make a piece worth hashing.
            var (rows, room) = (Math.Max(1, Piece / file.Rows.Columns), Array.Empty<byte>());
            for (var row = 0; row < file.Rows.Rows; row += rows)
            {
                hash.AppendData(file.Rows.Bytes(row, Math.Min(rows, file.Rows.Rows - row), ref room));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
