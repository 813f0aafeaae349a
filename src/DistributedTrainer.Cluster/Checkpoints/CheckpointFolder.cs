using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>
/// The checkpoints of a run, a folder each. Files are written and flushed first, the manifest last; a checkpoint whose
/// manifest is missing or whose checksums do not fit is not loaded. For any number of threads, one after the other.
/// </summary>
internal sealed class CheckpointFolder(string runDirectory, int keep)
{
    private const string ManifestName = "manifest.json";
    private const string OrderName = "order.bin";

    private readonly string _path = Path.Combine(runDirectory, "checkpoints");
    private readonly object _gate = new();
    private volatile int _keep = keep;

    // True: written or checked by this object, so that it need not be written again. False: damaged, although there may be a manifest.
    private readonly ConcurrentDictionary<long, bool> _known = [];

    /// <summary>How many stay, from the next one that is written on.</summary>
    public int Keep
    {
        get => _keep;
        set => _keep = value;
    }

    /// <summary>Steps of the checkpoints that have a manifest and are not known to be damaged, the newest first.</summary>
    public IReadOnlyList<long> Steps
    {
        get
        {
            try
            {
                return [.. Folders().Where(folder => IsFinished(folder.Path) && IsKnown(folder.Step) != false).Select(static folder => folder.Step)];
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                return [];
            }
        }
    }

    /// <summary>The newest checkpoint that is whole; null: there is none.</summary>
    /// <param name="warnings">Receives what is wrong with newer ones.</param>
    public Checkpoint? Newest(ICollection<string> warnings)
    {
        lock (_gate)
        {
            foreach (var (step, path) in Folders())
            {
                try
                {
                    var checkpoint = Read(path);
                    _known[step] = true;
                    return checkpoint;
                }
                catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException or JsonException)
                {
                    _known[step] = false;
                    warnings.Add($"{path} is not loaded: {problem.Message}");
                }
            }

            return null;
        }
    }

    /// <summary>Reads one checkpoint.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="InvalidDataException">It is damaged; the message names the file.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Checkpoint Read(string path)
    {
        var manifest = ReadManifest(path);
        var checkpoint = new Checkpoint(manifest);
        foreach (var file in manifest.Files)
        {
            ReadFile(path, file, checkpoint);
        }

        checkpoint.Orders = ReadOrders(path, manifest);
        return checkpoint;
    }

    /// <summary>How a checkpoint came about; empty: it follows from the experiment.</summary>
    /// <inheritdoc cref="Read"/>
    public static IReadOnlyList<OrderSection> ReadOrders(string path, CheckpointManifest manifest)
    {
        if (manifest.OrderSha256 is not { } sha256)
        {
            return [];
        }

        var bytes = File.ReadAllBytes(Path.Combine(path, OrderName));
        return Convert.ToHexStringLower(SHA256.HashData(bytes)) == sha256
            ? OrderSection.Read(bytes)
            : throw new InvalidDataException($"{OrderName} is damaged: its SHA-256 is not that of {ManifestName}.");
    }

    /// <summary>Reads what a checkpoint says of itself.</summary>
    /// <inheritdoc cref="Read"/>
    public static CheckpointManifest ReadManifest(string path)
    {
        var file = Path.Combine(path, ManifestName);
        if (!File.Exists(file))
        {
            throw new InvalidDataException($"{ManifestName} is missing: it was never finished.");
        }

        CheckpointManifest manifest;
        try
        {
            manifest = CheckpointManifest.FromJson(File.ReadAllText(file));
        }
        catch (Exception problem) when (problem is JsonException or NotSupportedException)
        {
            throw new InvalidDataException($"{ManifestName} is damaged: {problem.Message}", problem);
        }

        if (manifest.FormatVersion != CheckpointManifest.Format)
        {
            throw new InvalidDataException($"{ManifestName} has format {manifest.FormatVersion}; this program reads format {CheckpointManifest.Format}.");
        }

        return Covers(manifest) ? manifest : throw new InvalidDataException($"{ManifestName}: its files do not cover {manifest.Parameters} parameters.");
    }

    /// <summary>Bytes of the files of a checkpoint; 0: it is not there.</summary>
    public long BytesOf(long step)
    {
        try
        {
            return new DirectoryInfo(PathOf(step)).EnumerateFiles().Sum(static file => file.Length);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>Writes a checkpoint, unless it is there. Older ones than are to be kept go.</summary>
    /// <param name="checkpoint">What to write; the files of its manifest are filled in here.</param>
    /// <param name="ranges">One file for each.</param>
    /// <exception cref="IOException">It cannot be written; nothing of it stays.</exception>
    public void Write(Checkpoint checkpoint, IReadOnlyList<PartitionRange> ranges)
    {
        lock (_gate)
        {
            var path = PathOf(checkpoint.Step);
            if (IsKnown(checkpoint.Step) != true || !Directory.Exists(path))
            {
                try
                {
                    checkpoint.Orders = WithEarlier(checkpoint);
                    WriteAll(path, checkpoint, ranges);
                    _known[checkpoint.Step] = true;
                }
                catch
                {
                    _known.TryRemove(checkpoint.Step, out _);
                    Remove(path);
                    throw;
                }
            }

            Prune(checkpoint.Step);
        }
    }

    private static void WriteAll(string path, Checkpoint checkpoint, IReadOnlyList<PartitionRange> ranges)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }

        Directory.CreateDirectory(path);
        var files = ranges.Select(range => WriteFile(path, range, checkpoint)).ToArray();
        CrashPoint.Reach("coordinator.before-manifest", checkpoint.Step);
        var manifest = Path.Combine(path, ManifestName);
        var order = WriteOrders(path, checkpoint.Orders);
        WriteText(manifest + ".tmp", (checkpoint.Manifest with { Files = files, OrderSha256 = order }).ToJson());
        File.Move(manifest + ".tmp", manifest, overwrite: true);
        CrashPoint.Reach("coordinator.manifest", checkpoint.Step);
    }

    private static string? WriteOrders(string path, IReadOnlyList<OrderSection> orders)
    {
        if (orders.Count == 0)
        {
            return null;
        }

        var bytes = OrderSection.Write(orders);
        using var file = File.Create(Path.Combine(path, OrderName));
        file.Write(bytes);
        file.Flush(flushToDisk: true);
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    /// <summary>
    /// Partitions know what came since they began; what was before that is in the newest checkpoint, be it the one they
    /// began with or one that was made since.
    /// </summary>
    private IReadOnlyList<OrderSection> WithEarlier(Checkpoint checkpoint)
    {
        if (checkpoint.Orders is not [{ From: > 0 } own])
        {
            return checkpoint.Orders;
        }

        foreach (var (step, path) in Folders().Where(folder => folder.Step <= checkpoint.Step && folder.Step >= own.From && IsFinished(folder.Path)))
        {
            try
            {
                // Whichever says nothing follows from the experiment: it was sync from the start.
                var earlier = ReadOrders(path, ReadManifest(path));
                return [.. (earlier.Count == 0 ? [OrderSection.Sync(0)] : earlier).Where(section => section.From < own.From), own];
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException or JsonException)
            {
                // An older one says the same, if it is there; otherwise the record begins here, which replay tells.
                _known[step] = false;
            }
        }

        return checkpoint.Orders;
    }

    /// <summary>Older ones than are to be kept, and those that were never finished, go.</summary>
    private void Prune(long written)
    {
        var kept = 0;
        foreach (var (step, path) in Folders())
        {
            var finished = IsFinished(path);
            if (step > written)
            {
                // Training would have gone on from it, had it been whole.
                _known.TryAdd(step, false);
            }

            var counts = finished && IsKnown(step) != false;
            kept += counts ? 1 : 0;

            // A damaged one that is newer than all others stays to be looked at, until training comes there again.
            if (counts ? kept > _keep : !finished || kept > 0)
            {
                Remove(path);
            }
        }
    }

    private static bool IsFinished(string path) => File.Exists(Path.Combine(path, ManifestName));

    private bool? IsKnown(long step) => _known.TryGetValue(step, out var whole) ? whole : null;

    /// <summary>What cannot be removed now is removed next time; the manifest goes first, so that half of it is never taken for whole.</summary>
    private void Remove(string path)
    {
        try
        {
            File.Delete(Path.Combine(path, ManifestName));
            Directory.Delete(path, recursive: true);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Whoever asked has a better reason to tell, or will ask again.
        }
    }

    private static void ReadFile(string path, CheckpointFile file, Checkpoint into)
    {
        var bytes = File.ReadAllBytes(Path.Combine(path, file.File));
        if (Convert.ToHexStringLower(SHA256.HashData(bytes)) != file.Sha256)
        {
            throw new InvalidDataException($"{file.File} is damaged: its SHA-256 is not that of {ManifestName}.");
        }

        var tensors = SafeTensors.Read(bytes).Tensors.ToDictionary(static tensor => tensor.Name, static tensor => tensor.Values);
        Take("parameters", into.Parameters, file.Offset);
        for (var k = 0; k < into.State.Length; k++)
        {
            Take($"state.{k}", into.State[k], file.Offset);
        }

        if (tensors.ContainsKey("best.parameters"))
        {
            into.Best ??= new FlatVersion(new float[into.Parameters.Length], new float[into.RunningStatistics.Length]);
            Take("best.parameters", into.Best.Parameters, file.Offset);
        }

        if (file.Offset == 0 && into.RunningStatistics.Length > 0)
        {
            Take("running-statistics", into.RunningStatistics, 0);
            if (into.Best is { } best)
            {
                Take("best.running-statistics", best.RunningStatistics, 0);
            }
        }

        void Take(string name, float[] flat, int offset)
        {
            var length = name.EndsWith("statistics", StringComparison.Ordinal) ? flat.Length : file.Length;
            if (!tensors.TryGetValue(name, out var values) || values.Length != length)
            {
                throw new InvalidDataException($"{file.File} lacks {name} with {length} numbers.");
            }

            values.Span.CopyTo(flat.AsSpan(offset));
        }
    }

    private static CheckpointFile WriteFile(string path, PartitionRange range, Checkpoint checkpoint)
    {
        var name = $"partition-{range.Id}.safetensors";
        var tensors = new List<NamedTensor> { Own("parameters", checkpoint.Parameters) };
        tensors.AddRange(checkpoint.State.Select((state, k) => Own($"state.{k}", state)));
        if (checkpoint.Best is { } best)
        {
            tensors.Add(Own("best.parameters", best.Parameters));
        }

        if (range.Id == 0 && checkpoint.RunningStatistics.Length > 0)
        {
            tensors.Add(All("running-statistics", checkpoint.RunningStatistics));
            if (checkpoint.Best is not null)
            {
                tensors.Add(All("best.running-statistics", checkpoint.Best.RunningStatistics));
            }
        }

        var bytes = tensors.Sum(static tensor => (long)tensor.Values.Length * sizeof(float));
        if (bytes > Array.MaxLength - (1 << 20))
        {
            throw new IOException($"{name} would have {bytes} bytes, more than can be read back. Use more cluster.partitions.");
        }

        var metadata = new Dictionary<string, string> { ["dtrain.step"] = checkpoint.Step.ToString(CultureInfo.InvariantCulture), ["dtrain.offset"] = range.Offset.ToString(CultureInfo.InvariantCulture) };
        using var file = File.Create(Path.Combine(path, name));
        using var hash = SHA256.Create();
        using (var stream = new CryptoStream(file, hash, CryptoStreamMode.Write, leaveOpen: true))
        {
            SafeTensors.Write(stream, tensors, metadata);
        }

        file.Flush(flushToDisk: true);
        return new CheckpointFile(name, range.Offset, range.Length, Convert.ToHexStringLower(hash.Hash!));

        NamedTensor Own(string tensor, float[] flat) => new(tensor, new Shape(range.Length), flat.AsMemory(range.Offset, range.Length));

        static NamedTensor All(string tensor, float[] flat) => new(tensor, new Shape(flat.Length), flat);
    }

    private static void WriteText(string path, string text)
    {
        using var file = File.Create(path);
        file.Write(System.Text.Encoding.UTF8.GetBytes(text));
        file.Flush(flushToDisk: true);
    }

    private static bool Covers(CheckpointManifest manifest)
    {
        var at = 0L;
        foreach (var file in manifest.Files)
        {
            if (file.Offset != at || file.Length < 0 || Path.GetFileName(file.File) != file.File)
            {
                return false;
            }

            at += file.Length;
        }

        return at == manifest.Parameters && manifest is { Parameters: > 0, RunningStatistics: >= 0, StateVectors: >= 0, Step: > 0 };
    }

    private string PathOf(long step) => Path.Combine(_path, $"step-{step:00000000}");

    private List<(long Step, string Path)> Folders()
    {
        if (!Directory.Exists(_path))
        {
            return [];
        }

        var folders = new List<(long Step, string Path)>();
        foreach (var path in Directory.EnumerateDirectories(_path, "step-*"))
        {
            if (long.TryParse(Path.GetFileName(path)["step-".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step))
            {
                folders.Add((step, path));
            }
        }

        return [.. folders.OrderByDescending(static folder => folder.Step)];
    }
}
