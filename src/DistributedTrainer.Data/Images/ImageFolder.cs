using System.Security.Cryptography;
using System.Text;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>
/// A folder with a folder of PNG and JPEG images for each class; or with train/, and perhaps validation/ and test/, each
/// of which has such folders. Images become bytes (channels, height, width).
/// </summary>
internal static class ImageFolder
{
    private const string Version = "1";
    private static readonly string[] PartNames = ["train", "validation", "test"];

    /// <summary>Whether a folder holds folders, and no IDX files.</summary>
    public static bool Is(string path)
    {
        try
        {
            return Directory.EnumerateDirectories(path).Any()
                && !Directory.EnumerateFiles(path).Any(static file => Path.GetFileName(file).Contains("ubyte", StringComparison.OrdinalIgnoreCase));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Whoever reads the folder then says so.
            return false;
        }
    }

    public static Dataset? Read(DataSources sources, string path, ProblemLog problems)
    {
        if (sources.Validation is not null || sources.Test is not null || sources.TextColumns.Count > 0 || sources.Task == DataTask.Regression || sources.Target is not (null or "class"))
        {
            problems.Add($"{sources.Training}: a folder of images has pixels and the target 'class' only; its folders validation and test stand for such sources. Remove data.target, data.task, one-hot, validation-source and test-source.");
            return null;
        }

        try
        {
            var hasParts = Directory.Exists(Path.Combine(path, PartNames[0]));
            var parts = hasParts ? Array.ConvertAll(PartNames, name => Files(Path.Combine(path, name), problems)) : [Files(path, problems), [], []];
            return problems.Any ? null : Read(sources, path, parts, problems);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{sources.Training}: the images cannot be read: {problem.Message}");
            return null;
        }
        catch (InvalidDataException problem)
        {
            problems.Add(problem.Message);
            return null;
        }
    }

    private static Dataset? Read(DataSources sources, string path, (string Class, string File)[][] parts, ProblemLog problems)
    {
        if (parts[0].Length == 0)
        {
            problems.Add($"{sources.Training}: there are no images in {path}. A folder for each class belongs there, with .png, .jpg or .jpeg files.");
            return null;
        }

        var (names, _) = Categories.Order([.. parts[0].Select(static entry => entry.Class).Distinct()]);
        foreach (var unknown in parts.SelectMany(static part => part).Select(static entry => entry.Class).Distinct().Except(names))
        {
            problems.Add($"{sources.Training}: the class '{unknown}' has no training images. Remove its folder, or add some to train/{unknown}.");
        }

        if (problems.Any)
        {
            return null;
        }

        (string Class, string File)[] all = [.. parts.SelectMany(static part => part)];
        var size = sources.Image ?? ImageFile.Size(all[0].File);
        if (size.Channels is not (1 or 3))
        {
            problems.Add($"data.image: images have 1 channel (grey) or 3 (red, green, blue), not {size.Channels}. Write 1 or 3.");
            return null;
        }

        var shape = new Shape(size.Channels, size.Height, size.Width);
        int[] labels = [.. all.Select(entry => Array.IndexOf(names, entry.Class))];
        var (rows, pixelHash) = (long)all.Length * shape.Elements > sources.HeldBytes
            ? Cached(all, size, shape, sources.Image is not null)
            : Held(all, size, shape, sources.Image is not null);
        return new Dataset
        {
            Name = sources.Training,
            FeatureNames = PixelNames.Of(shape),
            TargetName = "class",
            Features = new FeatureTable(shape.Elements, rows),
            InputShape = shape,
            Task = DataTask.Classification,
            Labels = labels,
            ClassNames = names,
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{shape} {pixelHash} {string.Join('\n', all.Select(static entry => entry.Class))}"))),
            ValidationRows = parts[1].Length,
            TestRows = parts[2].Length,
        };
    }

    /// <summary>Class by class, file by file, in the order of their names.</summary>
    private static (string Class, string File)[] Files(string path, ProblemLog problems)
    {
        if (!Directory.Exists(path))
        {
            return [];
        }

        var files = new List<(string, string)>();
        foreach (var folder in Directory.GetDirectories(path).Order(StringComparer.Ordinal))
        {
            foreach (var file in Directory.GetFiles(folder).Where(static file => !Path.GetFileName(file).StartsWith('.')).Order(StringComparer.Ordinal))
            {
                if (ImageFile.Is(file))
                {
                    files.Add((Path.GetFileName(folder), file));
                }
                else
                {
                    problems.Add($"{file}: among the images of a class only .png, .jpg and .jpeg can be read. Convert or remove it.");
                }
            }
        }

        return [.. files];
    }

    private static (RowBlock Rows, string Hash) Held((string Class, string File)[] all, (int, int, int) size, Shape shape, bool scales)
    {
        var pixels = new byte[all.Length * shape.Elements];
        for (var row = 0; row < all.Length; row++)
        {
            Decode(all[row].File, size, pixels.AsSpan(row * shape.Elements, shape.Elements), scales);
        }

        return (RowBlock.Of(pixels, shape.Elements), Convert.ToHexStringLower(SHA256.HashData(pixels)));
    }

    private static (RowBlock Rows, string Hash) Cached((string Class, string File)[] all, (int, int, int) size, Shape shape, bool scales)
    {
        string[] files = [.. all.Select(static entry => entry.File)];
        var contents = DataCache.Remembered("images", files, () => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(files.Select(FileDigest.Of))))));
        using var entry = DataCache.Enter($"images-{Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes($"{Version} {contents} {shape}")))}");
        if (!entry.IsComplete)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var row = new byte[shape.Elements];
            using (var pixels = entry.Create("rows"))
            {
                foreach (var file in files)
                {
                    Decode(file, size, row, scales);
                    hash.AppendData(row);
                    pixels.Write(row);
                }
            }

            using (var sum = entry.Create("sha256"))
            {
                sum.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset())));
            }

            entry.Complete();
        }

        return (RowBlock.OfBytes(MappedFile.Open(entry.File("rows")), 0, all.Length, shape.Elements), File.ReadAllText(entry.File("sha256")));
    }

    private static void Decode(string file, (int Channels, int Height, int Width) size, Span<byte> into, bool scales)
    {
        if (!ImageFile.Read(file, size, into) && !scales)
        {
            var (_, height, width) = ImageFile.Size(file);
            throw new InvalidDataException($"{file}: the image is {height} pixels high and {width} wide, the first one {size.Height} and {size.Width}. Write data.image: [{size.Channels}, {size.Height}, {size.Width}] to bring all to one size.");
        }
    }
}

/// <summary>Names of pixels as columns.</summary>
internal static class PixelNames
{
    public static string[] Of(Shape shape)
    {
        var (channels, height, width) = shape.Rank == 3 ? (shape[0], shape[1], shape[2]) : (1, 1, shape.Elements);
        return [.. from channel in Enumerable.Range(0, channels)
                   from row in Enumerable.Range(0, height)
                   from column in Enumerable.Range(0, width)
                   select shape.Rank == 1 ? $"x{column}" : channels == 1 ? $"pixel_{row}_{column}" : $"pixel_{channel}_{row}_{column}"];
    }
}
