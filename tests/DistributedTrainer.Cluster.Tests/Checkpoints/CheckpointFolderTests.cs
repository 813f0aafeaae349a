using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Checkpoints;

public sealed class CheckpointFolderTests : IDisposable
{
    private static readonly TestExperiment Large = new() { Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"] };
    private readonly TemporaryFolder _temporary = new();
    private readonly TrainingPlan _plan = new TestExperiment { Training = "{ epochs: 99, batch-size: 30, shards: 4 }" }.Plan();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(1, true, true, "adam")]
    [InlineData(2, true, true, "momentum")]
    [InlineData(3, true, true, "adam")]
    [InlineData(3, false, true, "sgd")]
    [InlineData(2, true, false, "adam")]
    [InlineData(1, false, false, "sgd")]
    public void What_is_read_is_what_was_written(int partitions, bool batchNorm, bool best, string optimizer)
    {
        var plan = (Large with
        {
            Partitions = partitions,
            Layers = batchNorm ? Large.Layers : [.. Large.Layers.Where(static layer => layer != "batch-norm")],
            Optimizer = $"{{ kind: {optimizer}, learning-rate: 0.01 }}",
            Split = "{ validation: 0.2 }",
            Training = best ? "{ epochs: 9, batch-size: 30, shards: 4, early-stopping: { patience: 3 } }" : "{ epochs: 9, batch-size: 30, shards: 4 }",
        }).Plan();
        Assert.Equal(partitions, plan.Ranges.Count);
        var written = SampleCheckpoint.Of(plan, 7);
        Assert.Equal(best, written.Best is not null);
        Folder().Write(written, plan.Ranges);
        var warnings = new List<string>();
        var read = Folder().Newest(warnings);
        Assert.Empty(warnings);
        SampleCheckpoint.Same(written, read);
        Assert.Equal(partitions, read!.Manifest.Files.Length);
        Assert.Equal(partitions + 1, Directory.GetFiles(PathOf(7)).Length);
        Assert.Equal(best, read.Manifest.HasBest(plan));
    }

    [Fact]
    public void Cut_anew_it_is_the_same()
    {
        var (three, one) = ((Large with { Partitions = 3 }).Plan(), Large.Plan());
        var written = SampleCheckpoint.Of(three, 7);
        Folder().Write(written, three.Ranges);
        var folder = Folder();
        var read = folder.Newest([])!;
        Directory.Delete(PathOf(7), recursive: true);
        folder.Write(read, one.Ranges);
        SampleCheckpoint.Same(written, Folder().Newest([]));
        Assert.Equal(2, Directory.GetFiles(PathOf(7)).Length);
    }

    [Fact]
    public void A_run_without_checkpoints_has_none()
    {
        var warnings = new List<string>();
        Assert.Null(Folder().Newest(warnings));
        Assert.Empty(Folder().Steps);
        Directory.CreateDirectory(Path.Combine(_temporary.Path, "checkpoints", "step-x"));
        Directory.CreateDirectory(Path.Combine(_temporary.Path, "checkpoints", "other"));
        Assert.Null(Folder().Newest(warnings));
        Assert.Empty(warnings);
    }

    [Fact]
    public void Only_so_many_are_kept_and_the_newest_is_read()
    {
        var folder = Folder(keep: 2);
        for (var step = 8L; step < 12; step++)
        {
            Write(folder, step);
            Assert.Equal(step, folder.Newest([])!.Step);
        }

        Assert.Equal([11L, 10L], folder.Steps);
        Assert.Equal(["step-00000010", "step-00000011"], Folders());
    }

    [Fact]
    public void Steps_of_more_digits_than_the_names_are_padded_to_are_in_order()
    {
        var folder = Folder();
        Write(folder, 99_999_999);
        Write(folder, 100_000_000);
        Assert.Equal([100_000_000L, 99_999_999L], folder.Steps);
        Assert.Equal(100_000_000L, Folder().Newest([])!.Step);
    }

    [Fact]
    public void The_manifest_comes_last()
    {
        Write(Folder(), 3);
        File.Delete(Path.Combine(PathOf(3), "manifest.json"));
        var warnings = new List<string>();
        Assert.Null(Folder().Newest(warnings));
        Assert.EndsWith("step-00000003 is not loaded: manifest.json is missing: it was never finished.", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Empty(Folder().Steps);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(9)]
    public void What_was_never_finished_goes_with_the_next_write(long unfinished)
    {
        Write(Folder(), unfinished);
        File.Move(Path.Combine(PathOf(unfinished), "manifest.json"), Path.Combine(PathOf(unfinished), "manifest.json.tmp"));
        Write(Folder(), 5);
        Assert.Equal(["step-00000005"], Folders());
    }

    [Fact]
    public void What_is_whole_is_not_written_again()
    {
        var folder = Folder();
        Write(folder, 3);
        var manifest = Path.Combine(PathOf(3), "manifest.json");
        var at = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(manifest, at);
        Write(folder, 3);
        Assert.Equal(at, File.GetLastWriteTimeUtc(manifest));

        // Not known to be whole, by one that has not read it.
        Write(Folder(), 3);
        Assert.NotEqual(at, File.GetLastWriteTimeUtc(manifest));
    }

    [Fact]
    public void A_damaged_one_counts_for_nothing_and_is_written_anew_when_training_comes_there_again()
    {
        // Keeping a damaged one in the place of a whole one would lose the whole one.
        Write(Folder(), 5);
        Write(Folder(), 20);
        Damage(20);
        var folder = Folder(keep: 1);
        Assert.Equal(5, folder.Newest([])!.Step);
        Assert.Equal([5L], folder.Steps);
        Write(folder, 10);
        Assert.Equal([10L], folder.Steps);
        Assert.Equal(["step-00000010", "step-00000020"], Folders());
        Write(folder, 20);
        Assert.Equal(["step-00000020"], Folders());
        SampleCheckpoint.Same(SampleCheckpoint.Of(_plan, 20), Folder().Newest([]));
    }

    [Fact]
    public void A_damaged_one_that_training_has_passed_goes()
    {
        Write(Folder(), 5);
        Write(Folder(), 20);
        Damage(20);

        // As after a resume: the one who writes is not the one who has read.
        Assert.Equal(5, Folder().Newest([])!.Step);
        var folder = Folder(keep: 2);
        Write(folder, 18);
        Write(folder, 25);
        Assert.Equal([25L, 18L], folder.Steps);
        Assert.Equal(["step-00000018", "step-00000025"], Folders());
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_an_error_and_nothing_of_it_stays()
    {
        File.WriteAllText(Path.Combine(_temporary.Path, "checkpoints"), "a file");
        Assert.ThrowsAny<IOException>(() => Write(Folder(), 3));
        Assert.Empty(Folder().Steps);
        Assert.Equal("a file", File.ReadAllText(Path.Combine(_temporary.Path, "checkpoints")));
    }

    [Fact]
    public void What_fails_midway_leaves_nothing_behind_and_older_ones_whole()
    {
        var folder = Folder();
        Write(folder, 3);
        var checkpoint = SampleCheckpoint.Of(_plan, 4);
        checkpoint.State[0] = new float[7];
        Assert.ThrowsAny<Exception>(() => folder.Write(checkpoint, _plan.Ranges));
        Assert.Equal(["step-00000003"], Folders());
        SampleCheckpoint.Same(SampleCheckpoint.Of(_plan, 3), folder.Newest([]));
        Write(folder, 4);
        Assert.Equal([4L, 3L], folder.Steps);
    }

    private CheckpointFolder Folder(int keep = 5) => new(_temporary.Path, keep);

    private void Write(CheckpointFolder folder, long step) => folder.Write(SampleCheckpoint.Of(_plan, step), _plan.Ranges);

    private string PathOf(long step) => Path.Combine(_temporary.Path, "checkpoints", $"step-{step:00000000}");

    private void Damage(long step) => File.WriteAllText(Path.Combine(PathOf(step), "partition-0.safetensors"), "no");

    private string[] Folders() => [.. Directory.GetDirectories(Path.Combine(_temporary.Path, "checkpoints")).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
