using System.Buffers.Binary;
using System.Text;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Checkpoints;

/// <summary>Whatever is done to the newest checkpoint, the one before it is loaded, with one warning that names the file.</summary>
public sealed class DamagedCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly TrainingPlan _plan = new TestExperiment
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Partitions = 3,
        Split = "{ validation: 0.2 }",
        Training = "{ epochs: 9, batch-size: 30, shards: 4, early-stopping: { patience: 3 } }",
    }.Plan();

    private readonly Checkpoint _before;

    public DamagedCheckpointTests()
    {
        var folder = new CheckpointFolder(_temporary.Path, keep: 5);
        _before = SampleCheckpoint.Of(_plan, 10);
        folder.Write(_before, _plan.Ranges);
        folder.Write(SampleCheckpoint.Of(_plan, 20), _plan.Ranges);
    }

    private string Newest => Path.Combine(_temporary.Path, "checkpoints", "step-00000020");

    private string Manifest => Path.Combine(Newest, "manifest.json");

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Any_byte_of_the_manifest_is_missed()
    {
        var whole = File.ReadAllBytes(Manifest);
        for (var at = 0; at < whole.Length; at++)
        {
            foreach (var bit in (byte[])[0x01, 0x80])
            {
                var damaged = whole.ToArray();
                damaged[at] ^= bit;
                File.WriteAllBytes(Manifest, damaged);
                var problem = Assert.Throws<InvalidDataException>(() => CheckpointFolder.ReadManifest(Newest));
                Assert.StartsWith("manifest.json is damaged: ", problem.Message, StringComparison.Ordinal);
            }
        }

        TheOneBeforeIsLoaded("manifest.json");
    }

    [Theory]
    [InlineData("{", "[")]
    [InlineData("\"step\": 20", "\"step\": 21")]
    [InlineData("\"step\": 20", "\"step\": 20.5")]
    [InlineData("\"step\": 20", "\"step\": \"20\"")]
    [InlineData("\"step\": 20,", "")]
    [InlineData("\"judgement\":", "\"Judgement\":")]
    [InlineData("\"files\": [", "\"files\": null, \"x\": [")]
    [InlineData("\"plateauBest\": 0.25", "\"plateauBest\": 0.125")]
    [InlineData("partition-0.safetensors", "../step-00000010/partition-0.safetensors")]
    public void A_changed_manifest_is_found(string was, string becomes)
    {
        var text = File.ReadAllText(Manifest);
        Assert.Contains(was, text, StringComparison.Ordinal);
        File.WriteAllText(Manifest, text.Replace(was, becomes, StringComparison.Ordinal));
        TheOneBeforeIsLoaded("manifest.json");
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    public void What_is_no_manifest_at_all_is_found(string text)
    {
        File.WriteAllText(Manifest, text);
        TheOneBeforeIsLoaded("manifest.json");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_region_of_a_partitions_file_is_missed(int partition)
    {
        var path = Path.Combine(Newest, $"partition-{partition}.safetensors");
        var whole = File.ReadAllBytes(path);
        var header = (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        var places = new List<int> { 0, 7, 8, 8 + (header / 2), 8 + Encoding.UTF8.GetString(whole, 8, header).TrimEnd().Length - 1, 8 + header - 1 };

        // First, middle and last byte of each tensor.
        var vectors = _plan.Optimizer.StateVectors + 2;
        var length = _plan.Ranges[partition].Length * sizeof(float);
        for (var vector = 0; vector < vectors; vector++)
        {
            var start = 8 + header + (vector * length);
            places.AddRange([start, start + (length / 2), start + length - 1]);
        }

        places.Add(whole.Length - 1);
        Assert.All(places, place => Assert.InRange(place, 0, whole.Length - 1));
        foreach (var place in places)
        {
            var damaged = whole.ToArray();
            damaged[place] ^= 0x10;
            File.WriteAllBytes(path, damaged);
            TheOneBeforeIsLoaded(Path.GetFileName(path));
        }
    }

    [Theory]
    [InlineData("partition-0.safetensors", 1)]
    [InlineData("partition-1.safetensors", 1)]
    [InlineData("partition-2.safetensors", int.MaxValue)]
    [InlineData("manifest.json", 1)]
    [InlineData("manifest.json", 2)]
    [InlineData("manifest.json", int.MaxValue)]
    public void A_file_that_was_cut_off_is_found(string name, int missing)
    {
        var path = Path.Combine(Newest, name);
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..Math.Max(0, whole.Length - missing)]);
        TheOneBeforeIsLoaded(name);
    }

    [Fact]
    public void A_file_that_grew_is_found()
    {
        File.AppendAllText(Path.Combine(Newest, "partition-1.safetensors"), "\0");
        TheOneBeforeIsLoaded("partition-1.safetensors");
    }

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("partition-0.safetensors")]
    [InlineData("partition-2.safetensors")]
    public void A_file_that_is_missing_is_named(string name)
    {
        File.Delete(Path.Combine(Newest, name));
        TheOneBeforeIsLoaded(name);
    }

    [Fact]
    public void Two_files_that_were_exchanged_are_found()
    {
        var (first, second, third) = (Path.Combine(Newest, "partition-1.safetensors"), Path.Combine(Newest, "partition-2.safetensors"), Path.Combine(Newest, "x"));
        File.Move(first, third);
        File.Move(second, first);
        File.Move(third, second);
        TheOneBeforeIsLoaded("partition-1.safetensors");
    }

    [Fact]
    public void A_file_of_another_checkpoint_is_found()
    {
        File.Copy(Path.Combine(_temporary.Path, "checkpoints", "step-00000010", "partition-1.safetensors"), Path.Combine(Newest, "partition-1.safetensors"), overwrite: true);
        TheOneBeforeIsLoaded("partition-1.safetensors");
    }

    [Fact]
    public void A_format_of_the_future_is_refused_by_name()
    {
        Rewrite(static manifest => manifest with { FormatVersion = 2 });
        Assert.Contains("manifest.json has format 2; this program reads format 1.", TheOneBeforeIsLoaded("manifest.json"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hole")]
    [InlineData("short")]
    [InlineData("long")]
    [InlineData("order")]
    [InlineData("negative")]
    [InlineData("none")]
    [InlineData("outside")]
    [InlineData("elsewhere")]
    public void Files_that_do_not_cover_all_parameters_within_the_folder_are_refused(string what)
    {
        Rewrite(manifest => manifest with
        {
            Files = what switch
            {
                "hole" => [manifest.Files[0], manifest.Files[2]],
                "short" => manifest.Files[..2],
                "long" => [.. manifest.Files, manifest.Files[2] with { Offset = manifest.Parameters }],
                "order" => [manifest.Files[1], manifest.Files[0], manifest.Files[2]],
                "negative" => [manifest.Files[0], manifest.Files[1] with { Length = -1 }, manifest.Files[2]],
                "none" => [],
                "outside" => [manifest.Files[0] with { File = $"..{Path.DirectorySeparatorChar}partition-0.safetensors" }, .. manifest.Files[1..]],
                _ => [manifest.Files[0] with { File = "/partition-0.safetensors" }, .. manifest.Files[1..]],
            },
        });
        Assert.Contains($"manifest.json: its files do not cover {_plan.Model.Layout.Length} parameters.", TheOneBeforeIsLoaded("manifest.json"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("state.2 with")]
    [InlineData("running-statistics with")]
    [InlineData("parameters with")]
    public void A_file_that_lacks_what_the_manifest_tells_of_is_refused(string what)
    {
        Rewrite(manifest => what[0] switch
        {
            's' => manifest with { StateVectors = 3 },
            'r' => manifest with { RunningStatistics = manifest.RunningStatistics + 1 },
            _ => manifest with { Parameters = manifest.Parameters + 1, Files = [.. manifest.Files[..2], manifest.Files[2] with { Length = manifest.Files[2].Length + 1 }] },
        });
        Assert.Contains($"lacks {what}", TheOneBeforeIsLoaded("partition-"), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_all_are_damaged_each_is_told_of_and_none_is_loaded()
    {
        foreach (var step in (string[])["step-00000010", "step-00000020"])
        {
            File.Delete(Path.Combine(_temporary.Path, "checkpoints", step, "partition-1.safetensors"));
        }

        var warnings = new List<string>();
        Assert.Null(new CheckpointFolder(_temporary.Path, keep: 5).Newest(warnings));
        Assert.Equal(["step-00000020", "step-00000010"], warnings.Select(static warning => Path.GetFileName(warning.Split(' ')[0])));
    }

    /// <summary>Writes the manifest anew, with a checksum that fits.</summary>
    private void Rewrite(Func<CheckpointManifest, CheckpointManifest> change) =>
        File.WriteAllText(Manifest, change(CheckpointFolder.ReadManifest(Newest)).ToJson());

    private string TheOneBeforeIsLoaded(string file)
    {
        var warnings = new List<string>();
        SampleCheckpoint.Same(_before, new CheckpointFolder(_temporary.Path, keep: 5).Newest(warnings));
        var warning = Assert.Single(warnings);
        Assert.StartsWith($"{Newest} is not loaded: ", warning, StringComparison.Ordinal);
        Assert.Contains(file, warning, StringComparison.Ordinal);
        return warning;
    }
}
